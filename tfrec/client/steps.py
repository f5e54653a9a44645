"""Defines the steps that an answer is made of: what a client must do next, whether it waits in a thread or in asyncio.

Everything that decides is a generator that yields `Call`, `Pause` and `Lookup` and is sent a `Reply` for each call and
lookup; the two clients differ in how they do these three things, and in nothing else.
"""

import concurrent.futures
import dataclasses
from collections.abc import Generator
from typing import Any, TypeAlias, TypeVar

import grpc

Result = TypeVar("Result")


@dataclasses.dataclass(frozen=True)
class Call:
    """One request to the server.

    Attributes:
        method: `"Predict"`, `"GetModelMetadata"` or `"GetModelStatus"`.
        request: its message.
        timeout: seconds until it is given up.
        hedge_after: seconds without a reply after which the same request is sent a second time; None = never.
        metadata: gRPC metadata, such as the trace that the call belongs to.
    """

    method: str
    request: Any
    timeout: float
    hedge_after: float | None = None
    metadata: tuple[tuple[str, str], ...] = ()


@dataclasses.dataclass(frozen=True)
class Pause:
    """A wait before the next call.

    Attributes:
        seconds: how long.
    """

    seconds: float


@dataclasses.dataclass(frozen=True)
class Lookup:
    """A wait for what another thread looks up.

    Attributes:
        future: gives what was found.
        timeout: seconds until it is given up.
    """

    future: "concurrent.futures.Future[Any]"
    timeout: float


@dataclasses.dataclass(frozen=True)
class Reply:
    """What came of a call, or of a lookup.

    Attributes:
        response: the message, or what was found; None where it failed.
        error: why a call failed.
        failure: why a lookup failed.
    """

    response: Any = None
    error: grpc.RpcError | None = None
    failure: Exception | None = None


Steps: TypeAlias = Generator[Call | Pause | Lookup, Reply | None, Result]
"""A generator of steps that returns a result."""
