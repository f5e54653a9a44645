"""The README's programs run as they stand, on a small shop in place of Online Retail."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tfrec import cli
from tfrec.schema.signatures import SIGNATURES
from tfrec.server import EmbeddedServer

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def block(section, language, number=0):
    """A fenced block of a section of the README."""
    text = README.split(f"\n## {section}\n")[1].split("\n## ")[0]
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.S)[number]


def run(program):
    return subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )


@pytest.mark.slow
def test_the_modellers_script_fits_the_retrieval_model(tiny_prepared):
    program = block("For modellers", "python")
    assert "model.fit(" in program
    ran = run(program.replace("prepared/online_retail", str(tiny_prepared)))
    assert ran.returncode == 0, ran.stderr
    losses = [float(found) for found in re.findall(r" loss: ([\d.]+)", ran.stdout)]
    assert len(losses) >= 3
    assert losses[-1] < losses[0]


@pytest.mark.slow
@pytest.mark.parametrize("number", [0, 1], ids=["thin client", "stubs of TF Serving"])
def test_the_back_end_programs_print_offers(tiny_trained, number):
    program = block("For back-end engineers", "python", number)
    items = tiny_trained.shop.vocabularies.items.tokens
    with EmbeddedServer(tiny_trained.models, port=0) as server:
        program = program.replace("85123A", items[0]).replace("71053", items[1])
        program = program.replace("localhost:8500", f"localhost:{server.port}")
        ran = run(program.replace("RecommenderClient(", "RecommenderClient(deadline=30, target="))
    assert ran.returncode == 0, ran.stderr
    assert len(re.findall(r"P\d{5}", ran.stdout)) >= 5


def test_every_command_of_the_readme_is_understood():
    commands = [line for line in block("For operators and merchandisers", "bash").splitlines() if line]
    assert {shlex.split(line)[1] for line in commands} >= {"prepare", "train", "evaluate", "recommend", "serve", "ask"}
    for line in commands:
        cli.build_parser().parse_args(shlex.split(line)[1:])


def test_every_make_target_of_the_readme_exists():
    makefile = (Path(__file__).parents[1] / "Makefile").read_text(encoding="utf-8")
    for target in set(re.findall(r"(?:^|`)make ([a-z][a-z-]+)", README, flags=re.M)):
        assert re.search(rf"^{target}:", makefile, flags=re.M) or target.startswith("bench-"), target


def test_the_table_of_signatures_is_the_contracts():
    for signature in SIGNATURES.values():
        if signature.servable == "shop":
            assert f"| `{signature.name}` |" in README


def test_every_place_of_the_map_exists():
    root = Path(__file__).parents[1]
    rows = re.findall(r"^\| (`.+?`) \|", README.split("\n## How it is built\n")[1].split("\n## ")[0], flags=re.M)
    for place in re.findall(r"`([^`]+)`", " ".join(rows)):
        assert (root / place).exists(), place
