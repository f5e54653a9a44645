"""What decides whether to train again: the code that training can reach by imports, no more and no less."""

import configparser
import importlib
from pathlib import Path

import grimp

import tfrec
from tfrec.models_folder import LEARNING

ROOT = Path(tfrec.__file__).parents[1]


def layers():
    """The lines of the contract, the highest first."""
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    lines = parser["importlinter:contract:layers"]["layers"].split("\n")
    return [name.strip() for line in lines if line for name in line.split(":")]


def test_the_digest_reads_what_training_can_reach_and_nothing_else():
    graph = grimp.build_graph("tfrec", exclude_type_checking_imports=True)
    reached = graph.find_upstream_modules("tfrec.training", as_package=True)
    rooms = {name.removesuffix(".py").replace("/", ".") for name in LEARNING}
    covered = {
        name: [room for room in rooms if f"{name}.".startswith(f"tfrec.{room}.")] for name in reached - {"tfrec"}
    }
    assert [name for name, of in covered.items() if not of] == []
    assert {room for of in covered.values() for room in of} | {"training"} == rooms


def test_the_digest_names_lines_of_the_contract_from_the_lowest_up():
    names = [name.removesuffix(".py").split("/")[0] for name in LEARNING]
    from_below = layers()[::-1]
    assert [from_below.index(name) for name in names] == sorted(from_below.index(name) for name in names)
    assert names[-1] == "training"


def test_another_text_of_any_of_them_is_another_training(tmp_path, monkeypatch):
    models_folder = importlib.import_module("tfrec.models_folder")
    for name in LEARNING:
        place = tmp_path / name
        if not name.endswith(".py"):
            place = place / "deeper" / "file.py"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text("a = 1\n", encoding="utf-8")
    monkeypatch.setattr(models_folder, "__file__", str(tmp_path / "models_folder.py"))
    digests = {models_folder.digest_of_code()}
    for file in sorted(tmp_path.rglob("*.py")):
        file.write_text("a = 2\n", encoding="utf-8")
        digests.add(models_folder.digest_of_code())
    assert len(digests) == len(LEARNING) + 1
