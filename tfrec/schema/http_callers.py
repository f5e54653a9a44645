"""Checks settings of who may call a server over HTTP: the token, and the origins of pages."""

from collections.abc import Iterable

from tfrec.errors import ConfigError

EVERY_PAGE = "*"
MAKE_A_TOKEN = "head -c 24 /dev/urandom | base64"
_SHORTEST_TOKEN = 16


def check_token(token: str) -> None:
    """Refuses a word that could be guessed; `""`, no token, is no matter of this function.

    Raises:
        ConfigError: the token is too short.
    """
    if token and len(token) < _SHORTEST_TOKEN:
        raise ConfigError(f"The token must have at least {_SHORTEST_TOKEN} characters. Make one with: {MAKE_A_TOKEN}")


def check_origins(origins: Iterable[str], *, may_be_all: bool = True) -> None:
    """Refuses what no browser sends as the origin of a page, which then would be allowed in vain.

    Args:
        origins: such as `https://shop.example`.
        may_be_all: whether `*`, every page, may be allowed.

    Raises:
        ConfigError: an origin has no scheme, or has a path.
    """
    for origin in origins:
        is_origin = origin.startswith(("http://", "https://")) and origin.count("/") == 2
        if not is_origin and not (may_be_all and origin == EVERY_PAGE):
            raise ConfigError(
                "An origin is of the form https://shop.example, without a path"
                f"{', or *' if may_be_all else ''}; got {origin!r}."
            )
