"""Logs of promotions → whom to give which offer. No TensorFlow."""
