"""Computes vocabularies, sequences, item-to-item weights and feature tables, without TensorFlow."""
