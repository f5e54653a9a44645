"""Imports a library of the extra `analysis`; the error names what to install."""

import importlib
from types import ModuleType

from tfrec.errors import EnvironmentSetupError, install_hint

_NEEDED = ("jinja2", "matplotlib")


def need(name: str) -> ModuleType:
    """Returns an imported module.

    Raises:
        EnvironmentSetupError: it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] != name.split(".")[0]:
            raise
        raise EnvironmentSetupError(
            f"A page needs {error.name}, which is not installed. {install_hint('analysis')}."
        ) from error


def check_extra() -> None:
    """Raises at once what would otherwise be raised after minutes of analysis.

    Raises:
        EnvironmentSetupError: a library of the extra is not installed.
    """
    for name in _NEEDED:
        need(name)
