"""Names of things: tables, slates, the serving contract. No I/O, no TensorFlow."""
