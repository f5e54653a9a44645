from .models_config import ServableConfig
from .prediction import RequestLimits
from .recommend import newest_version, recommend_file, recommend_table
from .servable import Servable
from .server import EmbeddedServer, serve

__all__ = [
    "EmbeddedServer",
    "RequestLimits",
    "Servable",
    "ServableConfig",
    "newest_version",
    "recommend_file",
    "recommend_table",
    "serve",
]
