"""Business rules on slates, as TensorFlow functions that live in the served graph."""
