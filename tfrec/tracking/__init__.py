"""Tracks runs in MLflow and labels versions."""
