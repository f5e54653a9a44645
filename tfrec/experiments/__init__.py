"""Logs of experiments → verdicts. No TensorFlow."""
