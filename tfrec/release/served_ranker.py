"""Wraps a loaded servable as a method of `tfrec.evaluation`, queried as the shop's pages query it.

Only merchandising rules are left out: models are judged by what they rank, on any day, not by what the shop blocks or
pins at the moment. `tfrec rules check` shows what the rules cost.
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tfrec.evaluation.cases import Cases
from tfrec.evaluation.evaluate import Ranker
from tfrec.features.merchandising import BEFORE_ALL_RULES
from tfrec.schema.signatures import SIGNATURES
from tfrec.schema.slate import Slate
from tfrec.serving.recommend import Answering, recommend_table


def served_ranker(servable: Answering, *, show_progress: bool = False) -> Ranker:
    """Returns a servable as a method of `tfrec.evaluation`: cases in, slates out.

    More items than `k` are asked for, since the protocol passes over what it does not rank.
    """

    def rank(cases: Cases, k: int, signature_name: str) -> Slate:
        from tqdm import tqdm

        asked = cases.to_queries().assign(at_minute=np.int32(BEFORE_ALL_RULES))
        queries = pa.Table.from_pandas(asked, preserve_index=False)
        wanted = max(2 * k, 50)
        with tqdm(
            total=len(cases), desc=f"asking {signature_name}", disable=None if show_progress else True, leave=False
        ) as bar:
            table = recommend_table(servable, SIGNATURES[signature_name], queries, k=wanted, bar=bar)
        return _as_slate(table, cases.query_ids)

    return rank


def _as_slate(table: pa.Table, query_ids: np.ndarray) -> Slate:
    """Rows of a slate file as `[B, k]`, in the order of `query_ids`."""
    row = pc.index_in(table["query_id"], pa.array(query_ids.tolist())).to_numpy().astype(np.int64)
    place = table["rank"].to_numpy() - 1
    shape = (len(query_ids), int(place.max(initial=0)) + 1)
    item_ids, scores = np.full(shape, "", object), np.full(shape, -np.inf, np.float32)
    probabilities = np.zeros(shape, np.float32)
    item_ids[row, place] = table["item_id"].to_numpy()
    scores[row, place] = table["score"].to_numpy()
    probabilities[row, place] = table["probabilities"].to_numpy()
    return Slate(item_ids, scores, {"probabilities": probabilities})
