"""Help texts speak of what a user types and gets, not of the code."""

import argparse
import re

import pytest

from tfrec import cli

_LEAKS = re.compile(
    r"\[[A-Z](, [A-Za-z])*\]"  # shapes of arrays
    r"|\bsee [A-Z_]{3,}\b"  # names of constants
    r"|\b(None|True|False|float32|int32|float64|ndarray|dataclass|DataFrame|Timestamp|MMR)\b"
    r"|\b[A-Z][a-z]+[A-Z][A-Za-z]*\b"  # names of classes
)
_KNOWN_OUTSIDE = {"DuckDB", "MariaDB", "MySQL", "TensorFlow", "SavedModel", "SavedModels", "RecommenderClient"}
_OF_TF_SERVING = {"PredictionService", "GetModelMetadata", "ModelService", "GetModelStatus"}


def parsers(parser):
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for child in action.choices.values():
                yield from parsers(child)


@pytest.mark.parametrize("parser", list(parsers(cli.build_parser())), ids=lambda parser: parser.prog)
def test_help_texts_name_no_notions_of_the_code(parser):
    texts = [parser.description or "", *(action.help or "" for action in parser._actions)]
    leaks = {match[0] for text in texts for match in _LEAKS.finditer(text)}
    assert leaks - _KNOWN_OUTSIDE - _OF_TF_SERVING == set()


@pytest.mark.parametrize("verb", ["audience", "campaign plan", "campaign read"])
def test_key_is_explained_with_the_command_that_makes_one(verb):
    (parser,) = [one for one in parsers(cli.build_parser()) if one.prog == f"tfrec {verb}"]
    (key,) = [action for action in parser._actions if "--key" in action.option_strings]
    assert "pseudonyms" in key.help and "head -c 32 /dev/urandom > FILE" in key.help
