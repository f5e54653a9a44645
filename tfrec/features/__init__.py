"""Tables → vocabularies, sequences, item-to-item weights, pictures. No TensorFlow."""
