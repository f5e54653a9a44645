"""Tables → what the shop should know of its customers. No TensorFlow."""
