"""Folders of servables that are checked in moments: each is the tiny shop with a certificate of its own."""

import json
import shutil
from pathlib import Path

from tfrec.release.certificate import CERTIFICATE, Certificate, hash_files
from tfrec.release.certify import certified_queries
from tfrec.serving.models_config import SERVABLES
from tfrec.serving.servable import Servable

_QUERIES = [{"cart_item_ids": [f"item_{number}"], "user_id": "ann"} for number in range(4)]


def certify(folder: Path) -> None:
    """Gives the tiny shop's folder a certificate of what it answers now."""
    with Servable.load(folder, is_graph_rewritten=False) as loaded:
        queries = [
            query
            for name in ("complete_cart", "recommend")
            for query in certified_queries(name, _QUERIES, lambda name, inputs: loaded.call(name, inputs))
        ]
    certificate = Certificate("shop", 1, tuple(queries), hash_files(folder), "data", {}, "code", {})
    (folder / CERTIFICATE).parent.mkdir(exist_ok=True)
    (folder / CERTIFICATE).write_text(certificate.to_json())


def put_version(models: Path, source: Path, version: int, servables: tuple[str, ...] = SERVABLES) -> None:
    """Puts copies of a version's folder under a number, certified as what they are called.

    Args:
        models: folder of servables.
        source: a folder that `certify` completed.
        version: the number.
        servables: names that it gets.
    """
    for name in servables:
        folder = models / name / str(version)
        shutil.copytree(source, folder)
        content = json.loads((folder / CERTIFICATE).read_text())
        (folder / CERTIFICATE).write_text(json.dumps({**content, "servable": name, "version": version}))


def change_weight(folder: Path) -> None:
    """Adds 5 to the weight of one item and saves the variables again, checksums and all."""
    import tensorflow as tf

    prefix = str(folder / "variables" / "variables")
    reader = tf.train.load_checkpoint(prefix)
    tensors = {name: reader.get_tensor(name) for name in sorted(reader.get_variable_to_shape_map())}
    tensors["appeal/.ATTRIBUTES/VARIABLE_VALUE"][5] += 5
    tf.raw_ops.SaveV2(
        prefix=prefix,
        tensor_names=list(tensors),
        shape_and_slices=[""] * len(tensors),
        tensors=[tf.constant(value) for value in tensors.values()],
    )
