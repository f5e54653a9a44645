"""`RequestLimits`: what a request may ask for; a declared size is checked before anything of it is allocated."""

import dataclasses
import math
from typing import Any

from tfrec.errors import ConfigError, SchemaError, ServingError
from tfrec.schema import wire
from tfrec.schema.inputs import HISTORY_INPUTS, MOST_LINES, STANDARD_WIDGETS, WIDGETS

_INVALID_ARGUMENT = 3
_STRING_BYTES = 24
"""Of a `TF_TString`, which the tensor takes for each string; the NumPy array beside it holds a pointer to an object."""
ROW_BYTES = 160
"""Memory that a row takes for each item of the catalogue: scores, masks and sorted copies of them, side by side.
`python -m tests.benchmarks.request_memory` measures it and the next."""
ELEMENT_BYTES = 4096
"""Memory that a declared element takes besides: its string, its index, and what its item adds to the evidence."""

HISTORY_ELEMENT_BYTES = 640
"""The same of an element of a user's history, which is summed up before the sources see it: 600 to 1,800 bytes an event
of three to five elements were measured."""


@dataclasses.dataclass(frozen=True)
class RequestLimits:
    """What requests may ask for, so that none exhausts the memory; TF Serving has no such limits.

    Attributes:
        max_rows: largest first dimension of an input.
        max_bytes: largest size of a message, and of all decoded inputs of a request together; a few bytes on the wire
            can declare a huge tensor, because missing values are filled up.
        max_memory: bytes that the requests under way may need together, by the estimate of `memory`. One that needs
            more alone is refused; one that does not fit beside the others waits for them.
    """

    max_rows: int = 16_384
    max_bytes: int = 64 * 2**20
    max_memory: int = 2 * 2**30

    def __post_init__(self) -> None:
        if self.max_rows < 1 or self.max_bytes < 1 or self.max_memory < 1:
            raise ConfigError(f"The limits of a request must be positive; got {self}.")

    def memory(self, inputs: Any, *, num_items: int, is_page: bool = False, is_by_line: bool = False) -> int:
        """Returns the bytes that answering a request takes, estimated from the sizes that its inputs declare.

        `rows × items × 160 + elements × 4096`: a slate needs some numbers for each pair of a row and an item. Elements
        of users' histories count 640. A row of a page counts as many times as it has widgets, one of `arrange_cart` as
        many times as the cart has lines.

        Args:
            inputs: alias → `TensorProto`; defaults may be left out.
            num_items: size of the servable's catalogue; 0 where it is not known.
            is_page: whether a page is asked for, which has a slate for each standard widget unless others are named.
            is_by_line: whether each line of the carts is asked for a slate (`arrange_cart`).

        Raises:
            ServingError: INVALID_ARGUMENT, an input has no possible shape or dtype, or the request is too large.
        """
        num_bytes = num_elements = element_bytes = 0
        num_rows = 1  # of a request that leaves all to the defaults
        slates = len(STANDARD_WIDGETS) if is_page else 1  # of a row; a page has one for each widget
        for alias, proto in inputs.items():
            try:
                shape, itemsize = wire.tensor_shape(proto), wire.numpy_dtype(proto.dtype).itemsize
            except SchemaError as error:
                raise parsing_error(alias) from error
            size = math.prod(shape)
            num_elements += size
            element_bytes += size * (HISTORY_ELEMENT_BYTES if alias in HISTORY_INPUTS else ELEMENT_BYTES)
            num_bytes += size * (_STRING_BYTES if proto.dtype == wire.DT_STRING else itemsize)
            if alias == "widgets" and len(shape) == 2:
                slates = min(max(shape[1], len(STANDARD_WIDGETS)), len(WIDGETS))
            if alias == "cart_item_ids" and len(shape) == 2 and is_by_line:
                slates = min(max(shape[1], 1), MOST_LINES)
            if shape:
                num_rows = max(num_rows, shape[0])
                if shape[0] > self.max_rows:
                    raise ServingError(
                        f"Input {alias} has {shape[0]} rows, but this server takes at most {self.max_rows} in one "
                        "request. Send several smaller requests, or raise the server's max_rows.",
                        code=_INVALID_ARGUMENT,
                    )
        if num_bytes > self.max_bytes:
            raise ServingError(
                f"The inputs take {num_bytes} bytes, but this server takes at most {self.max_bytes} in one request. "
                "Send several smaller requests, or raise the server's max_bytes.",
                code=_INVALID_ARGUMENT,
            )
        memory = num_rows * slates * num_items * ROW_BYTES + element_bytes
        if memory > self.max_memory:
            raise ServingError(
                f"{num_rows} rows with {num_elements} values, over {num_items} items, need about {_mebibytes(memory)} "
                f"of memory, but this server takes at most {_mebibytes(self.max_memory)} for one request. Send at most "
                f"{max(num_rows * self.max_memory // memory, 1)} such rows at once, or raise the server's max_memory.",
                code=_INVALID_ARGUMENT,
            )
        return memory


def parsing_error(alias: str) -> ServingError:
    """Returns TF Serving's error of an input that is no tensor."""
    return ServingError(f"tensor parsing error: {alias}", code=_INVALID_ARGUMENT)


def _mebibytes(number: int) -> str:
    return f"{number / 2**20:,.0f} MiB"
