"""Reads programs and commands from Markdown documents, and runs them."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = (
    "README.md",
    "README.zh-CN.md",
    "CONTRIBUTING.md",
    "serving/README.md",
    *(str(path.relative_to(ROOT)) for path in sorted((ROOT / "docs").rglob("*.md"))),
)
_PLACEHOLDER = re.compile(r"\b[A-Z]{4,}\b|\.\.\.")


def read(page: str) -> str:
    """Returns the text of a document of the repository."""
    return (ROOT / page).read_text(encoding="utf-8")


def blocks(text: str, language: str) -> list[str]:
    """Returns the fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.M | re.S)


def commands(text: str) -> list[list[str]]:
    """Returns the calls of `tfrec` in the shell blocks of a document, without those that name something to fill in."""
    lines = "\n".join(blocks(text, "bash")).replace("\\\n", " ").splitlines()
    calls = [part.strip() for line in lines for part in re.split(r"&&|;", re.sub(r"\s+#.*", "", line))]
    return [
        shlex.split(call.removesuffix("&"))[1:]
        for call in calls
        if call.startswith("tfrec ") and not _PLACEHOLDER.search(call)
    ]


def run(program: str) -> subprocess.CompletedProcess[str]:
    """Runs a program in a Python of its own."""
    return subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
