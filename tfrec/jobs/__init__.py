"""Runs the longer jobs on trained models: baselines, updates, tuning, ablations."""
