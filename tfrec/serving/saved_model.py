"""Reads the signatures that a SavedModel declares, without TensorFlow."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from tfrec.errors import ServingError
from tfrec.schema import wire

SERVE_TAG = "serve"
_HAS_VARIABLES = b"VarHandleOp"  # in the bytes of a graph that has some
ABOUT = Path("assets.extra") / "tfrec.json"
_SEARCHES = frozenset({"towers", "content"})  # what would compare a row with the whole catalogue without an index
_AT_A_TIME = 8192  # items that are tested against limits at a time, more than the lists of sources hold together
_ITEMS_OF_A_SCORE = 16  # of an item that is compared without an index two scores are held, not all that limits count
"""What the export notes about a version."""
_NOT_FOUND = 5


@dataclasses.dataclass(frozen=True)
class TensorSpec:
    """One input or output of a signature.

    Attributes:
        tensor_name: name in the graph, such as `serving_default_user_id:0`.
        dtype: TensorFlow's name, such as `"string"` or `"int64"`.
        dtype_number: the same as a number of `types.proto`.
        shape: sizes, `None` where any size is allowed; `None` as a whole when even the rank is open.
    """

    tensor_name: str
    dtype: str
    dtype_number: int
    shape: tuple[int | None, ...] | None


@dataclasses.dataclass(frozen=True)
class ServableSignature:
    """A named function of a servable, as its SavedModel declares it.

    Attributes:
        name: signature name.
        inputs: alias → what is fed.
        outputs: alias → what comes back.
        defaults: alias → value of an input that a request may leave out.
        method_name: `tensorflow/serving/predict` for ordinary signatures.
    """

    name: str
    inputs: Mapping[str, TensorSpec]
    outputs: Mapping[str, TensorSpec]
    defaults: Mapping[str, np.ndarray]
    method_name: str


def read_signature_defs(version_dir: Path) -> Any:
    """Returns the `SignatureDefMap` of the meta graph tagged `serve`.

    Args:
        version_dir: such as `models/shop/1`.

    Raises:
        ServingError: there is no SavedModel, none tagged `serve`, or its variables are missing.
    """
    path = version_dir / "saved_model.pb"
    try:
        content = path.read_bytes()
        saved_model = wire.SavedModel.FromString(content)
    except FileNotFoundError as error:
        raise ServingError(
            f"Could not find SavedModel .pb at supplied export directory path: {version_dir}. "
            "A version folder holds saved_model.pb, variables/ and assets/.",
            code=_NOT_FOUND,
        ) from error
    except OSError as error:
        raise ServingError(f"{path} cannot be read: {error}.", code=_NOT_FOUND) from error
    except Exception as error:  # protobuf's DecodeError differs between its implementations
        raise ServingError(f"Can't parse {path} as binary proto: {error}.", code=15) from error
    index = version_dir / "variables" / "variables.index"
    if _HAS_VARIABLES in content and not index.is_file():  # TensorFlow would load it, and fail at each request
        raise ServingError(
            f"{version_dir} has no {index.relative_to(version_dir)}, which its graph needs. Is it still being copied? "
            "A version folder holds saved_model.pb, variables/ and assets/.",
            code=_NOT_FOUND,
        )
    for meta_graph in saved_model.meta_graphs:
        if set(meta_graph.meta_info_def.tags) == {SERVE_TAG}:
            definitions = wire.SignatureDefMap()
            for name, definition in meta_graph.signature_def.items():
                definitions.signature_def[name].CopyFrom(definition)
            return definitions
    raise ServingError(
        f"Could not find meta graph def matching supplied tags: {{ {SERVE_TAG} }} in {version_dir}. "
        "Export with tf.saved_model.save.",
        code=_NOT_FOUND,
    )


def read_item_counts(version_dir: Path) -> tuple[int, int]:
    """Returns the size of the catalogue, and of how many items a row of a request takes memory; zeros if not noted.

    By what `assets.extra/tfrec.json` states. A row takes memory for the whole catalogue, or, where indexes are
    searched, for what is looked at at a time, or for single scores of all items that are in no index.
    """
    try:
        noted = json.loads((version_dir / ABOUT).read_text(encoding="utf-8"))
        items, indexes = noted["items"], noted.get("indexes") or ()
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return 0, 0
    if not isinstance(items, int):
        return 0, 0
    at_a_time = max(_AT_A_TIME, items // _ITEMS_OF_A_SCORE)
    return items, min(items, at_a_time) if set(indexes) >= _SEARCHES else items


def signatures_of(signature_defs: Any) -> Mapping[str, ServableSignature]:
    """Returns name → signature of a `SignatureDefMap`."""
    return MappingProxyType(
        {
            name: ServableSignature(
                name=name,
                inputs=_tensor_specs(definition.inputs),
                outputs=_tensor_specs(definition.outputs),
                defaults={alias: wire.to_ndarray(proto) for alias, proto in sorted(definition.defaults.items())},
                method_name=definition.method_name,
            )
            for name, definition in sorted(signature_defs.signature_def.items())
        }
    )


def _tensor_specs(infos: Mapping[str, Any]) -> dict[str, TensorSpec]:
    return {
        alias: TensorSpec(
            tensor_name=info.name,
            dtype=wire.dtype_name(info.dtype),
            dtype_number=info.dtype,
            shape=None
            if info.tensor_shape.unknown_rank
            else tuple(None if dim.size < 0 else dim.size for dim in info.tensor_shape.dim),
        )
        for alias, info in sorted(infos.items())
    }
