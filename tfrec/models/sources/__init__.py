"""Retrieves candidates of several sources for queries, and computes the features that rank them."""

from tfrec.models.sources.candidate_sources import CandidateSources, Evidence

__all__ = ["CandidateSources", "Evidence"]
