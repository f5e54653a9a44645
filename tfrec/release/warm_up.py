"""Writes the warm-up requests that TF Serving answers before it calls a version available.

A session optimises a signature's graph at its first run, which takes seconds of one core: no shopper should wait for
it. One graph a signature: every request names all inputs and no output filter, as the client does. Batches of the
allowed sizes follow, so that the memory that they need is there too.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from tfrec.release.typical import Arguments, as_batch
from tfrec.schema import wire
from tfrec.schema.signatures import SIGNATURES
from tfrec.serving.models_config import BATCH_SIZES
from tfrec.serving.prediction import WARMUP_FILE
from tfrec.serving.tfrecords import as_tfrecord


def write_warm_up(
    folder: Path,
    *,
    servable: str,
    queries: Mapping[str, Sequence[Arguments]],
    batch_sizes: Sequence[int] = BATCH_SIZES,
) -> int:
    """Writes the warm-up requests of a version and returns their number.

    Args:
        folder: folder of the version.
        servable: its name.
        queries: signature name → typical queries; repeated where a batch needs more.
        batch_sizes: rows of the requests.
    """
    records = []
    for name, typical in queries.items():
        for size in batch_sizes:
            inputs = as_batch(SIGNATURES[name], [typical[number % len(typical)] for number in range(size)])
            request = wire.PredictRequest(
                model_spec=wire.ModelSpec(name=servable, signature_name=name),
                inputs={alias: wire.to_tensor_proto(array) for alias, array in inputs.items()},
            )
            records.append(wire.PredictionLog(predict_log={"request": request}).SerializeToString())
    (folder / WARMUP_FILE).parent.mkdir(exist_ok=True)
    (folder / WARMUP_FILE).write_bytes(b"".join(map(as_tfrecord, records)))
    return len(records)
