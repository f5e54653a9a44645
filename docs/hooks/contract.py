"""Makes the tables of the serving contract from `tfrec.schema.signatures`; see `written_tables.py`."""

import math
from collections.abc import Iterator

from tfrec.schema.inputs import InputSpec
from tfrec.schema.signatures import REASONS, SIGNATURES


def describe_signatures() -> Iterator[str]:
    """Yields the table of signatures."""
    yield "| servable | signature | answers |\n| --- | --- | --- |"
    for signature in SIGNATURES.values():
        yield f"| `{signature.servable}` | `{signature.name}` | {signature.meaning} |"


def describe_inputs() -> Iterator[str]:
    """Yields the table of inputs: shape, padding value, meaning, and the signatures that take each."""
    takers: dict[tuple[str, str], tuple[InputSpec, list[str]]] = {}
    for signature in SIGNATURES.values():
        for spec in signature.inputs:
            key = (spec.name, _value(spec))
            takers.setdefault(key, (spec, []))[1].append(signature.name)
    yield "| input | shape, type | begins with | when left out | meaning | of |\n| --- | --- | --- | --- | --- | --- |"
    for spec, names in takers.values():
        shape = "`[B, n]`" if spec.rank == 2 else "`[B]`"
        begins = f"`{_value(spec)}`" if spec.rank == 2 else ""
        left_out = "empty list" if spec.rank == 2 else f"`{_value(spec)}`"
        users = ", ".join(f"`{name}`" for name in names)
        yield f"| `{spec.name}` | {shape} {spec.dtype} | {begins} | {left_out} | {spec.meaning} | {users} |"


def describe_outputs() -> Iterator[str]:
    """Yields the table of outputs."""
    givers: dict[tuple[str, str], tuple[str, list[str]]] = {}
    for signature in SIGNATURES.values():
        for spec in signature.outputs:
            givers.setdefault((spec.name, spec.meaning), (spec.dtype, []))[1].append(signature.name)
    yield "| output | type | meaning | of |\n| --- | --- | --- | --- |"
    for (name, meaning), (dtype, names) in givers.items():
        users = ", ".join(f"`{giver}`" for giver in names)
        yield f"| `{name}` | {dtype} | {meaning} | {users} |"


def describe_reasons() -> Iterator[str]:
    """Yields the table of reason codes."""
    yield "| reason | sentence |\n| --- | --- |"
    for code, sentence in REASONS.items():
        yield f"| `{code}` | {sentence} |"


def _value(spec: InputSpec) -> str:
    if isinstance(spec.padding, str):
        return f'"{spec.padding}"'
    return "infinity" if math.isinf(spec.padding) else f"{spec.padding:g}"
