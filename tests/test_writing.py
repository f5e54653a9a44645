"""All verbs that write: what is not theirs stays, what is read stays, links stay, nothing else is left behind."""

import argparse
import dataclasses
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest

from tests.demo_shops import prepare_demo_shop
from tests.experiments.collected_worlds import World
from tests.ingest.small_shop import write_small_shop
from tfrec.cli import build_parser, main
from tfrec.sources.kept_tables import kept_folder

FOLDER, GROWN, FILE = "folder", "grown folder", "file"
"""A folder that is replaced as a whole, one that grows over many runs, a file."""


@dataclasses.dataclass(frozen=True)
class Place:
    """What the commands below read.

    Attributes:
        home: holds all of it; a copy that a test may damage.
        shop: a prepared shop.
        models: of tiny servables.
    """

    home: Path
    shop: Path
    models: Path


@dataclasses.dataclass(frozen=True)
class Writer:
    """An option that names what is written.

    Attributes:
        command: the verb, and the action where it has some.
        option: the option.
        kind: of what is written.
        name: of the target.
        reads: the other arguments.
        is_run: whether the tests run it to its end; else it trains, and other tests do that.
        given: an input file that `reads` names, relative to `home`.
    """

    command: str
    option: str
    kind: str
    name: str
    reads: Callable[[Place], list[object]]
    is_run: bool = True
    given: str = "shop/items.parquet"

    def arguments(self, place: Place, target: Path, *more: object) -> list[str]:
        return [str(part) for part in (*self.command.split(), *self.reads(place), self.option, target, *more)]


def _shop(*more: object) -> Callable[[Place], list[object]]:
    return lambda place: [place.shop, *more]


def _buyer(shop: Path) -> str:
    users = pd.read_parquet(shop / "events.parquet")["user_id"]
    return str(users[users != ""].iloc[0])


_PLAN = ("--budget", "900", "--name", "spring", "--min-users", "1")
WRITERS = [
    Writer("prepare", "--out", FOLDER, "out", lambda p: [p.home / "raw" / "small.toml"], given="raw/log.csv"),
    Writer("init", "--out", FILE, "out.toml", lambda p: [p.home / "raw" / "log.csv"], given="raw/log.csv"),
    Writer("segments", "--export", FOLDER, "out", _shop()),
    Writer("campaign plan", "--out", FOLDER, "out", _shop(*_PLAN)),
    Writer("campaign rehearse", "--out", FOLDER, "out", lambda p: [p.home / "plan", p.shop], given="plan/plan.csv"),
    Writer("evaluate", "--out", FOLDER, "out", lambda p: [p.models, "--prepared", p.shop], is_run=False),
    Writer("demo", "--out", GROWN, "out", lambda p: ["--fast"], is_run=False),
    Writer("train", "--out", GROWN, "out", _shop(), is_run=False),
    Writer("baseline", "--out", GROWN, "out", _shop(), is_run=False),
    Writer("tune", "--out", GROWN, "out", _shop(), is_run=False),
    Writer("export", "--out", GROWN, "out", lambda p: [p.models], is_run=False, given="models/shop/1/saved_model.pb"),
    Writer(
        "follow", "--to", GROWN, "out", lambda p: [p.models, "--once"], is_run=False,
        given="models/shop/1/saved_model.pb",
    ),
    Writer(
        "recommend", "--out", FILE, "out.parquet",
        lambda p: [p.models, "--signature", "complete_cart", "--queries", p.home / "queries.parquet"],
        given="queries.parquet",
    ),
    Writer("strategy evaluate", "--plot", FILE, "out.svg", lambda p: [p.models, "--prepared", p.shop], is_run=False),
    Writer("strategy tune", "--out", FILE, "out.toml", lambda p: [p.models, "--prepared", p.shop], is_run=False),
    Writer("report", "--out", FILE, "out.html", _shop()),
    Writer("report", "--json", FILE, "out.json", lambda p: [p.shop, "--out", p.home / "page.html"]),
    Writer("interests", "--out", FILE, "out.csv", _shop()),
    Writer("profile", "--out", FILE, "out.html", lambda p: [p.shop, _buyer(p.shop)]),
    Writer("associations", "--out", FILE, "out.csv", _shop("--min-support", "0.005")),
    Writer("associations --view directed", "--out", FILE, "out.csv", _shop()),
    Writer("relations", "--out", FILE, "out.csv", _shop()),
    Writer("forecast", "--out", FILE, "out.csv", _shop()),
    Writer("churn", "--out", FILE, "out.csv", _shop()),
    Writer("churn", "--buy-again", FILE, "out.parquet", _shop()),
    Writer("value", "--out", FILE, "out.csv", _shop()),
    *(
        Writer(verb, "--plot", FILE, "out.svg", _shop())
        for verb in ("segments", "associations", "forecast", "churn", "value")
    ),
    Writer(
        "audience", "--export", FILE, "out.csv",
        lambda p: [p.shop, "orders > 0", "--key", p.home / "key"], given="key",
    ),
    Writer("experiment assign", "--out", FILE, "out.csv", _shop("--name", "n")),
    Writer(
        "experiment read", "--out", FILE, "out.csv",
        lambda p: [p.home / "arms.csv", p.shop, "--from", "2025-11-01"], given="arms.csv",
    ),
    Writer(
        "experiment read", "--out", FILE, "out.csv", lambda p: [p.home / "checkpoints.csv"], given="checkpoints.csv"
    ),
    Writer("earned", "--out", FILE, "out.csv", lambda p: [p.home / "collected"], given="collected/collected.json"),
]  # fmt: skip
READ = {
    "prepared", "models", "test", "plan", "orders", "users", "file", "shop", "log", "--data-home", "--config",
    "--warm-start", "--prepared", "--queries", "--config-file", "--items", "--models", "--key", "--users", "--exclude",
    "--impressions", "--scores", "--embeddings", "--arms", "--key-file", "--tls-certificate", "--tls-key",
    "--tls-client-ca", "--rules", "logs",
}  # fmt: skip
"""Arguments that are paths and are read only."""

each_writer = pytest.mark.parametrize("writer", WRITERS, ids=lambda writer: f"{writer.command} {writer.option}")
each_that_runs = pytest.mark.parametrize(
    "writer", [writer for writer in WRITERS if writer.is_run], ids=lambda writer: f"{writer.command} {writer.option}"
)


@pytest.fixture(scope="module")
def original(tiny_models, tmp_path_factory) -> Path:
    home = tmp_path_factory.mktemp("writing")
    made = tmp_path_factory.mktemp("writing_shop")
    shutil.copytree(
        prepare_demo_shop(made, num_items=400, num_users=700, num_events=12_000, num_slates=200), home / "shop"
    )
    shutil.copytree(tiny_models, home / "models", ignore=shutil.ignore_patterns("m", "plain", "shop_dearer"))
    (home / "key").write_bytes(b"0123456789abcdef")
    pd.DataFrame({"query_id": [1]}).to_parquet(home / "queries.parquet")
    write_small_shop(home / "raw")
    world = World()
    world.show("s1", ["A"], user_id="u1")
    world.collect(home)
    moments = pd.DataFrame({"experiment_id": "e", "variant_id": 1, "metric_id": 1, "time_since_start": [1.0, 2.0]})
    for side in ("c", "t"):
        moments = moments.assign(**{f"count_{side}": [100, 200], f"mean_{side}": 1.0, f"variance_{side}": 1.0})
    moments.to_csv(home / "checkpoints.csv", index=False)
    place = Place(home, home / "shop", home / "models")
    assert main(["campaign", "plan", str(place.shop), *_PLAN, "--out", str(home / "plan")]) == 0
    assert main(["experiment", "assign", str(place.shop), "--name", "n", "--out", str(home / "arms.csv")]) == 0
    return home


class Study:
    """What a report finds."""

    def to_dict(self) -> dict[str, int]:
        return {"orders": 1}


@pytest.fixture
def place(original, tmp_path, monkeypatch) -> Place:
    monkeypatch.setattr("tfrec.report.study_shop", lambda prepared, **how: Study())  # takes a quarter of a minute
    monkeypatch.setattr("tfrec.report.render_report", lambda found, **how: "<html><head></head></html>")
    home = tmp_path / "home"
    shutil.copytree(original, home)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    return Place(home, home / "shop", home / "models")


def contents(folder: Path) -> dict[Path, bytes | None]:
    return {path: path.read_bytes() if path.is_file() else None for path in sorted(folder.rglob("*"))}


def paths_of(parser: argparse.ArgumentParser, name: str = "") -> Iterator[tuple[str, str]]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for verb, sub in action.choices.items():
                yield from paths_of(sub, f"{name} {verb}".strip())
        elif action.type is Path:
            yield name, action.option_strings[0] if action.option_strings else action.dest


def test_every_option_that_names_a_path_is_read_or_stands_in_the_table():
    added = {("serve", "--request-log"), ("mcp", "--log")}  # folders that gain files of names of their own
    written = {pair for pair in paths_of(build_parser()) if pair[1] not in READ} - added
    assert written == {(writer.command.partition(" --")[0], writer.option) for writer in WRITERS}


def test_no_option_without_a_type_names_an_output():
    names = {"--out", "--export", "--json", "--buy-again"}
    untyped = [
        (name, option)
        for name, option in ((n, o) for n, o in _options(build_parser()) if o.option_strings)
        if names & set(option.option_strings) and option.type is None and option.nargs != 0
    ]
    assert untyped == []


def _options(parser: argparse.ArgumentParser, name: str = "") -> Iterator[tuple[str, argparse.Action]]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for verb, sub in action.choices.items():
                yield from _options(sub, f"{name} {verb}".strip())
        else:
            yield name, action


@each_writer
def test_what_a_stranger_wrote_is_refused_and_stays(writer, place, tmp_path, capsys):
    target = tmp_path / writer.name
    if writer.kind == FILE:
        target.write_text("mine\n1\n")
    else:
        (target / "sub").mkdir(parents=True)
        (target / "mine.csv").write_text("mine")
    before = contents(tmp_path)
    assert main(writer.arguments(place, target)) == 2
    assert contents(tmp_path) == before
    said = capsys.readouterr().err
    assert ("--force" if writer.kind == FILE else "mine.csv") in said
    assert "Traceback" not in said


@each_writer
@pytest.mark.parametrize("what", ["itself", "above"])
def test_what_is_read_is_refused_and_stays(writer, place, tmp_path, capsys, what):
    given = place.home / writer.given
    target = given if what == "itself" and writer.kind == FILE else given.parent if what == "itself" else place.home
    more = ["--force"] if writer.kind == FILE or writer.command == "prepare" else []
    before = contents(tmp_path)
    assert main(writer.arguments(place, target, *more)) == 2
    assert contents(tmp_path) == before
    assert "Traceback" not in capsys.readouterr().err


@each_that_runs
def test_links_are_followed_and_a_second_run_replaces_the_first(writer, place, tmp_path):
    (tmp_path / "disk").mkdir()
    target = tmp_path / writer.name
    target.symlink_to(Path("disk", writer.name))
    for _ in range(2):
        assert main(writer.arguments(place, target)) == 0
    assert target.is_symlink()
    assert [path.name for path in (tmp_path / "disk").iterdir()] == [writer.name]
    assert target.is_file() == (writer.kind == FILE)
    entries = [path.name for path in tmp_path.iterdir() if path != kept_folder(target)]
    assert sorted(entries) == sorted(["disk", "elsewhere", "home", writer.name])
    assert not [path for path in tmp_path.rglob("*") if ".tmp" in path.name]


@pytest.mark.parametrize(
    "writer",
    [writer for writer in WRITERS if writer.is_run and writer.kind == FILE],
    ids=lambda writer: f"{writer.command} {writer.option}",
)
def test_force_overwrites_a_strangers_file(writer, place, tmp_path):
    target = tmp_path / "deep" / writer.name
    assert main(writer.arguments(place, target)) == 0
    whole = target.stat().st_size
    target.write_text("mine")
    assert main(writer.arguments(place, target, "--force")) == 0
    assert target.stat().st_size == pytest.approx(whole, rel=0.05)


def test_a_file_that_came_into_a_prepared_folder_is_kept(place, tmp_path, capsys):
    recipe = str(place.home / "raw" / "small.toml")
    assert main(["prepare", recipe, "--out", str(tmp_path / "out")]) == 0
    (tmp_path / "out" / "notes.txt").write_text("mine")
    assert main(["prepare", recipe, "--out", str(tmp_path / "out")]) == 0  # up to date: nothing is written
    before = contents(tmp_path)
    assert main(["prepare", recipe, "--out", str(tmp_path / "out"), "--force"]) == 2
    assert "notes.txt" in capsys.readouterr().err
    assert contents(tmp_path) == before


def test_a_shop_prepared_by_an_earlier_release_is_prepared_again(place, tmp_path):
    recipe = str(place.home / "raw" / "small.toml")
    assert main(["prepare", recipe, "--out", str(tmp_path / "out")]) == 0
    for later in (".tfrec.json", "incomplete.parquet", "report.html"):
        (tmp_path / "out" / later).unlink()
    for events in (tmp_path / "out" / "events.parquet", tmp_path / "out" / "test_events.parquet"):
        table = pd.read_parquet(events)
        shutil.rmtree(events)
        table.to_parquet(events)  # one file it was then
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text(encoding="utf-8"))
    (tmp_path / "out" / "manifest.json").write_text(json.dumps({**manifest, "format_version": 1}), encoding="utf-8")
    assert main(["prepare", recipe, "--out", str(tmp_path / "out")]) == 0
    assert (tmp_path / "out" / ".tfrec.json").is_file()
