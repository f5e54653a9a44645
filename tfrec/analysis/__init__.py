"""Analyses users, items and demand of a shop, without TensorFlow."""
