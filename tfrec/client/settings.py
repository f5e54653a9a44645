"""Checks the settings of a client before it connects."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tfrec.errors import ConfigError, SchemaError, nearest_hint
from tfrec.schema import wire
from tfrec.schema.signatures import Signature

_LONGEST = 1e9
"""Seconds; gRPC takes no longer ones."""


def check_settings(
    target: Any,
    deadline: Any,
    servable: Any,
    fallback: Any,
    fallback_after: Any,
    version: Any,
    version_label: Any,
    max_rows: Any,
) -> None:
    """Refuses settings that are not as `Questions` says.

    Raises:
        ConfigError: names the setting.
    """
    if not isinstance(target, str) or ":" not in target or target.startswith(("http://", "https://")):
        raise ConfigError(f'`target` must be "host:port" of the gRPC port (8500 on TF Serving); got {target!r}.')
    check_deadline(deadline)
    if not isinstance(servable, str) or not servable or not wire.is_unicode(servable):
        raise ConfigError(f"`servable` must be the name of a servable; got {servable!r}.")
    if fallback is not None and (not isinstance(fallback, str) or fallback in ("", servable)):
        raise ConfigError(f"`fallback` must be another servable than {servable!r}; got {fallback!r}.")
    if not _is_number(fallback_after) or not 0 < fallback_after < 1:
        raise ConfigError(f"`fallback_after` must be a share of the deadline in (0, 1); got {fallback_after!r}.")
    if version is not None and (not _is_whole(version) or not 0 <= version < 2**63):
        raise ConfigError(f"`version` must be a whole number such as 3; got {version!r}.")
    if version_label is not None and (not isinstance(version_label, str) or not wire.is_unicode(version_label)):
        raise ConfigError(f"`version_label` must be a word such as 'stable'; got {version_label!r}.")
    if not _is_whole(max_rows) or max_rows < 1:
        raise ConfigError(f"`max_rows` must be a whole number of at least 1; got {max_rows!r}.")
    if version is not None and version_label is not None:
        raise ConfigError(f"A request names a version or a label; got {version} and {version_label!r}. Leave one out.")


def check_connection(retries: Any, hedge_after: Any, keep_alive: Any, max_age: Any) -> None:
    """Refuses settings of calls and connections that are not as `Questions` says.

    Raises:
        ConfigError: names the setting.
    """
    if not _is_whole(retries) or retries < 0:
        raise ConfigError(f"`retries` must be a whole number of at least 0; got {retries!r}.")
    if hedge_after is not None and (not _is_number(hedge_after) or not 0 < hedge_after < float("inf")):
        raise ConfigError(f"`hedge_after` must be a positive number of seconds; got {hedge_after!r}.")
    if not _is_number(keep_alive) or not 1 <= keep_alive < 2**20:
        raise ConfigError(f"`keep_alive` must be at least 1 second; got {keep_alive!r}.")
    if max_age is not None and (not _is_number(max_age) or not 1 <= max_age < float("inf")):
        raise ConfigError(f"`max_age` must be at least 1 second; got {max_age!r}.")


def check_parts(**parts: tuple[Any, Any, str]) -> None:
    """Refuses a part of a client that is none: each is given as `(value, its class or a method it has, what it is)`.

    Raises:
        ConfigError: names the part.
    """
    for name, (value, wanted, what) in parts.items():
        fits = hasattr(value, wanted) if isinstance(wanted, str) else isinstance(value, wanted)
        if value is not None and not fits:
            raise ConfigError(f"`{name}` must be {what}; got {value!r}.")


def check_outputs(signature: Signature, wanted: Sequence[str]) -> None:
    """Refuses names that are no outputs of a signature.

    Raises:
        SchemaError: names the nearest.
    """
    known = [spec.name for spec in signature.outputs]
    if isinstance(wanted, str) or not isinstance(wanted, Sequence):
        raise SchemaError(f"`outputs` takes a list of names of outputs; got {wanted!r}.")
    for name in wanted:
        if name not in known:
            raise SchemaError(f"Signature `{signature.name}` has no output {name!r}.{nearest_hint(name, known)}")


def check_deadline(deadline: Any, name: str = "deadline") -> None:
    """Refuses a deadline that is no positive number.

    Raises:
        ConfigError: it is not.
    """
    if not _is_number(deadline) or not 0 < float(deadline) <= _LONGEST:
        raise ConfigError(f"`{name}` must be a positive number of seconds, at most {_LONGEST:.0e}; got {deadline!r}.")


def _is_whole(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)
