"""Collects the tags of an MLflow run on its origin: hashes, commit, user, address."""

import getpass
import subprocess
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import tfrec
from tfrec.models_folder import ModelsManifest


def hash_tags(planned: ModelsManifest) -> dict[str, str]:
    """Returns the tags that name data, code, settings and commit."""
    commit = _commit()
    tags = {
        "tfrec.data": planned.fingerprint,
        "tfrec.code": planned.code,
        "tfrec.identity": planned.identity,
        "tfrec.package": tfrec.__version__,
        "tfrec.prepared": planned.prepared,
    }
    return tags if commit is None else {**tags, "mlflow.source.git.commit": commit}


def without_password(uri: str) -> str:
    """Returns `https://me:secret@host/x` as `https://host/x`."""
    parts = urlsplit(uri)
    if not parts.password and not parts.username:
        return uri
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def user_name() -> str:
    """Returns who trains, as the system calls them."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "unknown"


def _commit() -> str | None:
    """Returns the commit of this package, `+changes` where it was changed since; None where git does not hold it."""
    package = Path(__file__).parents[1]

    def git(*words: str) -> str:
        return subprocess.run(
            ["git", "-C", str(package), *words], capture_output=True, text=True, check=True, timeout=10
        ).stdout.strip()

    try:
        git("ls-files", "--error-unmatch", "__init__.py")  # a venv inside another repository is not of its commit
        return git("rev-parse", "HEAD") + ("+changes" if git("status", "--porcelain", "--", ".") else "")
    except (OSError, subprocess.SubprocessError):
        return None
