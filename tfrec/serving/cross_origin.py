"""Lets scripts of named pages read what the REST port answers (CORS).

Starlette's middleware, which the collector uses, will not do: it states no `Vary` to pages that may not read, so that a
cache would give their answer to a page that may; and the port needs nothing else of Starlette.
"""

import dataclasses
from collections.abc import Iterable

from tfrec.schema.http_callers import EVERY_PAGE, check_origins

_KEPT = b"3600"
"""Seconds for which a browser keeps the answer to its question whether it may ask."""


@dataclasses.dataclass(frozen=True)
class CrossOrigin:
    """The pages whose scripts may ask.

    Attributes:
        allowed: origins such as `https://shop.example`; `*` = all; none = no script of another page may read answers.
    """

    allowed: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_origins(self.allowed)

    def headers(self, asked: Iterable[tuple[bytes, bytes]], *, is_question: bool) -> list[tuple[bytes, bytes]]:
        """Returns what an answer's headers have beside its own.

        Args:
            asked: headers of the request.
            is_question: whether the request is the browser's question ahead (OPTIONS).
        """
        if not self.allowed:
            return []
        origin = next((value for name, value in asked if name == b"origin"), b"").decode("latin-1")
        answer = [(b"vary", b"Origin")]  # caches keep one answer for each page
        if not origin or (EVERY_PAGE not in self.allowed and origin not in self.allowed):
            return answer
        answer.append((b"access-control-allow-origin", origin.encode("latin-1")))
        if is_question:
            answer += [
                (b"access-control-allow-methods", b"GET, POST"),
                (b"access-control-allow-headers", b"Content-Type"),
                (b"access-control-max-age", _KEPT),
            ]
        return answer
