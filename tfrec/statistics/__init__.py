"""Computes estimates with intervals: means, ratios, heavy tails, paired and resampled differences, shares."""
