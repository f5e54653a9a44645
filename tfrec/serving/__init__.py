"""Answers requests by SavedModels: TF Serving's rules on TensorFlow's C API, without Python TensorFlow."""
