"""Wraps a loaded servable as a method of `tfrec.evaluation`, queried as the shop's pages query it.

Only merchandising rules are left out: models are judged by what they rank, on any day, not by what the shop blocks or
pins at the moment. `tfrec rules check` shows what the rules cost.
"""

import numpy as np
import pandas as pd
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
        asked = cases.to_queries().assign(at_minute=np.int32(BEFORE_ALL_RULES))
        progress = f"asking {signature_name}" if show_progress else ""
        return ask_slates(servable, signature_name, asked, k=max(2 * k, 50), progress=progress)

    return rank


def ask_slates(
    servable: Answering, signature_name: str, queries: pd.DataFrame, *, k: int, width: int = 0, progress: str = ""
) -> Slate:
    """Returns the slates of a table of queries, `[B, k]` in its order, with `probabilities` in `extras`.

    Args:
        servable: answers.
        signature_name: which signature is asked.
        queries: `query_id` and inputs, as `tfrec recommend` reads them.
        k: items wanted.
        width: columns of the result; 0 = those of the longest slate.
        progress: text of a progress bar; "" = none.
    """
    from tqdm import tqdm

    table = pa.Table.from_pandas(queries, preserve_index=False)
    with tqdm(total=len(queries), desc=progress, disable=None if progress else True, leave=False) as bar:
        found = recommend_table(servable, SIGNATURES[signature_name], table, k=k, bar=bar)
    return _as_slate(found, queries["query_id"].to_numpy(), width)


def _as_slate(table: pa.Table, query_ids: np.ndarray, width: int) -> Slate:
    """Rows of a slate file as `[B, k]`, in the order of `query_ids`."""
    row = pc.index_in(table["query_id"], pa.array(query_ids.tolist())).to_numpy().astype(np.int64)
    place = table["rank"].to_numpy() - 1
    shape = (len(query_ids), width or int(place.max(initial=0)) + 1)
    item_ids, scores = np.full(shape, "", object), np.full(shape, -np.inf, np.float32)
    probabilities = np.zeros(shape, np.float32)
    item_ids[row, place] = table["item_id"].to_numpy()
    scores[row, place] = table["score"].to_numpy()
    probabilities[row, place] = table["probabilities"].to_numpy()
    return Slate(item_ids, scores, {"probabilities": probabilities})
