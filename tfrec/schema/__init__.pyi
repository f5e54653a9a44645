from .inputs import InputSpec
from .signatures import SIGNATURES, OutputSpec, Signature, signature_named
from .slate import Slate
from .tables import EVENT_TYPES, Tables, empty_table

__all__ = [
    "EVENT_TYPES",
    "SIGNATURES",
    "InputSpec",
    "OutputSpec",
    "Signature",
    "Slate",
    "Tables",
    "empty_table",
    "signature_named",
]
