from .event_types import EVENT_TYPES
from .inputs import InputSpec
from .signatures import SIGNATURES, OutputSpec, Signature, signature_named
from .slate import Slate
from .tables import Tables, empty_table

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
