"""Turns behaviour sequences into tf.data batches."""

from tfrec.pipelines.ranking import RankingExamples, ranking
from tfrec.pipelines.retrieval import retrieval

__all__ = ["RankingExamples", "ranking", "retrieval"]
