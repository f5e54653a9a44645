"""Checks the settings of a client before it connects."""

from typing import Any

import numpy as np

from tfrec.errors import ConfigError


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
    """Refuses settings that are not as `RecommenderClient` says.

    Raises:
        ConfigError: names the setting.
    """
    if not isinstance(target, str) or not target or target.startswith(("http://", "https://")):
        raise ConfigError(f'`target` must be "host:port" of the gRPC port (8500 on TF Serving); got {target!r}.')
    check_deadline(deadline)
    if not isinstance(servable, str) or not servable:
        raise ConfigError(f"`servable` must be the name of a servable; got {servable!r}.")
    if fallback is not None and (not isinstance(fallback, str) or fallback in ("", servable)):
        raise ConfigError(f"`fallback` must be another servable than {servable!r}; got {fallback!r}.")
    if not _is_number(fallback_after) or not 0 < fallback_after < 1:
        raise ConfigError(f"`fallback_after` must be a share of the deadline in (0, 1); got {fallback_after!r}.")
    if version is not None and (not isinstance(version, int | np.integer) or not 0 <= version < 2**63):
        raise ConfigError(f"`version` must be a whole number such as 3; got {version!r}.")
    if version_label is not None and not isinstance(version_label, str):
        raise ConfigError(f"`version_label` must be a word such as 'stable'; got {version_label!r}.")
    if not isinstance(max_rows, int | np.integer) or max_rows < 1:
        raise ConfigError(f"`max_rows` must be a whole number of at least 1; got {max_rows!r}.")
    if version is not None and version_label is not None:
        raise ConfigError(f"A request names a version or a label; got {version} and {version_label!r}. Leave one out.")


def check_deadline(deadline: Any) -> None:
    """Refuses a deadline that is no positive number.

    Raises:
        ConfigError: it is not.
    """
    if not _is_number(deadline) or not deadline > 0:
        raise ConfigError(f"`deadline` must be a positive number of seconds; got {deadline!r}.")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)
