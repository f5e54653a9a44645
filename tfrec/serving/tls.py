"""`ServerTls`: files of a server's certificate, for both of its ports."""

import dataclasses
import ssl
from pathlib import Path
from typing import Any

import grpc

from tfrec.errors import ConfigError


@dataclasses.dataclass(frozen=True)
class ServerTls:
    """Certificate and key of a server, in PEM; callers must have certificates too where `client_ca` is given.

    Attributes:
        certificate: the server's certificate, with those between it and its authority.
        key: its private key.
        client_ca: authority of callers' certificates (mutual TLS); None = any caller may ask.

    Raises:
        ConfigError: a file cannot be read, or they do not belong together.
    """

    certificate: Path
    key: Path
    client_ca: Path | None = None

    def __post_init__(self) -> None:
        try:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(self.certificate, self.key)
            if self.client_ca is not None:
                context.load_verify_locations(self.client_ca)
        except OSError as error:  # `ssl.SSLError` is one
            raise ConfigError(
                f"TLS needs a certificate, its key and, for callers' certificates, their authority, in PEM; got "
                f"{self.certificate}, {self.key} and {self.client_ca}: {error}."
            ) from error

    def grpc_credentials(self) -> grpc.ServerCredentials:
        """Returns the same for a gRPC port."""
        pair = (self.key.read_bytes(), self.certificate.read_bytes())
        authority = None if self.client_ca is None else self.client_ca.read_bytes()
        return grpc.ssl_server_credentials([pair], authority, require_client_auth=authority is not None)

    def uvicorn_settings(self) -> dict[str, Any]:
        """Returns the same as settings of uvicorn."""
        settings: dict[str, Any] = {"ssl_certfile": str(self.certificate), "ssl_keyfile": str(self.key)}
        if self.client_ca is not None:
            settings |= {"ssl_ca_certs": str(self.client_ca), "ssl_cert_reqs": ssl.CERT_REQUIRED}
        return settings
