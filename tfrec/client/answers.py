"""Turns a response of the server into arrays."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from tfrec.schema import wire
from tfrec.schema.page_sizes import page_sizes


class Answer(NamedTuple):
    """Raw outputs, and which servable gave them.

    Attributes:
        outputs: output name → array `[B, k]`; strings as objects of `str`.
        servable: servable that answered.
        version: its version.
        is_batch: whether a batch was asked.
        history: see `Offers.history`.
    """

    outputs: dict[str, np.ndarray]
    servable: str
    version: int
    is_batch: bool
    history: str = ""


def read_outputs(response: Any, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Returns the outputs of a `PredictResponse`, `[B, n]`, as wide as the inputs asked for; strings as `str`."""
    width = _width_asked(inputs)
    return {name: _decoded(wire.to_ndarray(proto))[:, :width] for name, proto in response.outputs.items()}


def _width_asked(inputs: Mapping[str, np.ndarray]) -> int:
    """Returns how many columns were asked for: where the server merges requests, the widest of a batch decides."""
    if "candidate_item_ids" in inputs:
        return inputs["candidate_item_ids"].shape[1] - 1  # the leading padding value
    if "k" not in inputs:
        return inputs["cart_item_ids"].shape[1] - 1  # likewise: `arrange_cart` answers with the lines sent
    if "widgets" in inputs:
        return int(page_sizes(inputs["widgets"] != "", inputs["widget_sizes"], inputs["k"]).max(initial=0))
    return max(int(inputs["k"].max(initial=0)), 0)


def _decoded(array: np.ndarray) -> np.ndarray:
    """Returns string outputs as `str`; bytes that are not UTF-8 as lone surrogates."""
    if array.dtype != object:
        return array
    decoded = np.empty(array.size, dtype=object)
    decoded[:] = [element.decode("utf-8", "surrogateescape") for element in array.ravel()]
    return decoded.reshape(array.shape)
