"""Analyses experiments from their logs, without TensorFlow."""
