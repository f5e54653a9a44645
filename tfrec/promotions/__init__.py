"""Decides who gets which offer from logs of promotions, without TensorFlow."""
