"""Slates and held-out events → metrics beside baselines. No TensorFlow."""
