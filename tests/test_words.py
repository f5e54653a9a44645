"""Plain words: metaphors that once stood for terms of the field do not come back into code, messages or settings."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

SAY_INSTEAD = {
    "told": "reported, stated",
    "tell": "report, state, distinguish",
    "tells": "reports, states, distinguishes",
    "telling": "reporting",
    "speaks for": "contributes to",
    "speak for": "contribute to",
    "spoken for": "contributions",
    "hear": "use",
    "hears": "uses context, uses history",
    "heard": "used",
    "whence": "origin, provenance",
    "anew": "again",
    "nobody": "no user, none",
    "all but surely": "with probability 1 − α",
    "dial": "setting",
    "dials": "settings",
    "knob": "setting",
    "knobs": "settings",
    "twin": "graph implementation",
    "twins": "graph implementations",
    "likeness": "similarity",
    "foretell": "predict",
    "foretells": "predicts",
    "foretold": "predicted",
    "lean to": "favour",
    "leans to": "favours",
}
"""Left column of the table "Plain words" of the style guide → what to say."""

ALLOWED = {
    "tfrec/jobs/tuning.py": {"study.tell("},  # Optuna's method
}
"""File → texts in which a word is a name that another library gave."""

SUFFIXES = {".py", ".toml", ".cfg", ".jinja", ".yaml", ".yml", ".sh", ".config", ".example", ".md", ".Dockerfile", ""}
CHECKED = ("tfrec", "tests", "serving", "k8s", "examples", "docs", "*.md", "Makefile", "pyproject.toml", "setup.cfg")
LEFT_OUT = {"tests/test_words.py", "docs/glossary.md"}  # the lists

_WORD = re.compile(
    r"(?<![a-z])(" + "|".join(re.escape(word).replace(r"\ ", r"[\s_]+") for word in SAY_INSTEAD) + r")(?![a-z])",
    re.IGNORECASE,
)


def checked_files() -> list[str]:
    paths = [path for pattern in CHECKED for path in ROOT.glob(pattern)]
    files = [file for path in paths for file in ([path] if path.is_file() else path.rglob("*")) if file.is_file()]
    names = [str(file.relative_to(ROOT)) for file in files if file.suffix in SUFFIXES]
    return sorted(name for name in names if name not in LEFT_OUT)


def found_in(text: str, allowed: set[str]) -> list[str]:
    for name in allowed:
        text = text.replace(name, " ")
    return [" ".join(match[1].lower().replace("_", " ").split()) for match in _WORD.finditer(text)]


def test_code_messages_and_settings_use_plain_words():
    wrong = {}
    for name in checked_files():
        text = f"{name}\n{(ROOT / name).read_text(encoding='utf-8')}"
        wrong |= {f"{name}: {word}": SAY_INSTEAD[word] for word in found_in(text, ALLOWED.get(name, set()))}
    assert not wrong, "\n".join(f"{place} -> {instead}" for place, instead in wrong.items())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("Nobody has told us.", ["nobody", "told"], id="sentence"),
        pytest.param("def test_a_dial_is_told():", ["dial", "told"], id="parts of a name"),
        pytest.param("rows speak\n    for columns", ["speak for"], id="across a line"),
        pytest.param("CsvDialect, retelling, satellite, the shepherd", [], id="inside other words"),
        pytest.param("study.tell(trial)", [], id="allowed"),
    ],
)
def test_whole_words_are_found_in_sentences_and_names(text, words):
    assert found_in(text, {"study.tell("}) == words
