"""Turns behaviour sequences into tf.data batches."""

from tfrec.pipelines.retrieval import retrieval

__all__ = ["retrieval"]
