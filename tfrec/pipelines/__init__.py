"""Turns behaviour sequences and ranking examples into tf.data batches."""

from tfrec.pipelines.ranking import ranking
from tfrec.pipelines.ranking_examples import RankingExamples
from tfrec.pipelines.retrieval import retrieval
from tfrec.pipelines.stored_examples import StoredExamples, read_examples, store_examples

__all__ = ["RankingExamples", "StoredExamples", "ranking", "read_examples", "retrieval", "store_examples"]
