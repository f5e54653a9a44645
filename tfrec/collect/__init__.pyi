from .batches import Batch, Collected, Position, Rejected, Target
from .collector import Collector, collect_files, collect_stream
from .endpoint import EndpointConfig, make_app, serve_events
from .event_check import EventRules
from .open_target import open_target

__all__ = [
    "Batch",
    "Collected",
    "Collector",
    "EndpointConfig",
    "EventRules",
    "Position",
    "Rejected",
    "Target",
    "collect_files",
    "collect_stream",
    "make_app",
    "open_target",
    "serve_events",
]
