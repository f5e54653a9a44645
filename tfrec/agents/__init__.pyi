from .http_port import HttpPort, serve_http
from .server import ShopTools, make_server, serve_stdio

__all__ = ["HttpPort", "ShopTools", "make_server", "serve_http", "serve_stdio"]
