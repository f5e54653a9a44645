"""Checks the origins of pages whose scripts may call a server."""

from collections.abc import Iterable

from tfrec.errors import ConfigError

EVERY_PAGE = "*"


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
