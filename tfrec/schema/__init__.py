"""Defines names: tables, slates, the serving contract. No I/O, no TensorFlow."""
