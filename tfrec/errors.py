"""Defines the errors that `tfrec` raises; messages state what was expected, what was found, and what to do.

Every error is also the built-in that a reader expects, so `except ValueError` keeps working.
"""

import difflib
from collections.abc import Iterable

DISTRIBUTION = "tfrec-shop"
"""Name of the distribution for pip. It is on no package index yet; `tfrec` on PyPI is another project."""


class TfrecError(Exception):
    """Base of all errors raised on purpose by `tfrec`; the command line prints it without a traceback."""


class SchemaError(TfrecError, ValueError):
    """A table, slate or signature does not have the columns, types or values that it must have."""


class RecipeError(TfrecError, ValueError):
    """A recipe (a TOML file) cannot be read or asks for something unknown."""


class SourceError(TfrecError, OSError):
    """A raw file or prepared folder is missing, empty or unreadable."""


class EmptySourceError(SourceError):
    """A raw file has no row, or is not there; an optional table may be without it."""


class MissingSourceError(EmptySourceError):
    """A raw file is not there."""


class ConfigError(TfrecError, ValueError):
    """A setting has a value outside its range."""


class EnvironmentSetupError(TfrecError, ImportError):
    """The Python environment lacks something, or was set up in the wrong order."""


class ServingError(TfrecError, RuntimeError):
    """A servable could not be loaded or did not answer.

    Attributes:
        code: number of the gRPC status (the same in TensorFlow), 2 = UNKNOWN where none was given.
        details: the status message alone, as the server or TensorFlow wrote it.
    """

    def __init__(self, message: str, *, code: int = 2, details: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.details = message if details is None else details


class ServerUnreachableError(ServingError, ConnectionError):
    """No gRPC server answers at the address."""


class ServerOverloadedError(ServingError):
    """The server has more work than it takes, or the answer is larger than the client takes."""


class ServableNotLoadedError(ServingError, LookupError):
    """The server runs, but has no such servable or version."""


class SignatureNotFoundError(ServingError, LookupError):
    """The servable is loaded, but has no such signature."""


class ClientClosedError(ServingError, ValueError):
    """The client was closed before it was asked."""


class DeadlineExceededError(ServingError, TimeoutError):
    """No answer came before the deadline."""


class RequestRefusedError(ServingError, ValueError):
    """The server found the request wrong: an input's name, dtype or shape."""


_MOST_KNOWN = 40  # words that an error lists


def nearest_hint(word: str, known: Iterable[str]) -> str:
    """Returns ` Did you mean 'x'?`, or the known words, of many the first, when none is near.

    Example: `nearest_hint("colums", ["columns", "files"])` is `" Did you mean 'columns'?"`.
    """
    known = sorted(known)
    close = difflib.get_close_matches(str(word), known, n=1, cutoff=0.6)
    if close:
        return f" Did you mean {close[0]!r}?"
    more = len(known) - _MOST_KNOWN
    return f" Known: {', '.join(known[:_MOST_KNOWN])}{f', and {more:,} more' if more > 0 else ''}."


def install_hint(*extras: str) -> str:
    """Returns how to install extras of the distribution: from a clone, or from a wheel built there.

    Example: `install_hint("train")` is ``Install the extra `train` of tfrec-shop: pip install '.[train]' in a clone, or
    pip install 'PATH.whl[train]' with a built wheel``.
    """
    named = " and ".join(f"`{extra}`" for extra in extras)
    noun = "extra" if len(extras) == 1 else "extras"
    listed = ",".join(extras)
    return (
        f"Install the {noun} {named} of {DISTRIBUTION}: pip install '.[{listed}]' in a clone, "
        f"or pip install 'PATH.whl[{listed}]' with a built wheel"
    )
