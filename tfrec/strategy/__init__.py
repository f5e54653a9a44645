"""Applies business rules to slates, as TensorFlow functions in the served graph."""
