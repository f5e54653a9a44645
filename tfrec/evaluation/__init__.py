"""Evaluates slates on held-out events beside baselines, without TensorFlow."""
