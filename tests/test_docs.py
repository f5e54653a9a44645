"""The documentation: its programs run, its commands are understood, what is generated is complete.

Links, anchors and names in the API reference are checked by `make docs`, which fails on a warning.
"""

import argparse
import dataclasses
import importlib.util
import re
import typing

import numpy as np
import pytest

from tests.documents import PAGES, ROOT, blocks, commands, read, run
from tfrec import cli
from tfrec.ingest import recipes
from tfrec.ingest.event_section import EVENT_KEYS, RATE_KEYS
from tfrec.ingest.item_section import ITEM_KEYS
from tfrec.ingest.timestamps import COUNTS
from tfrec.schema.event_types import EVENT_TYPES, RETURN
from tfrec.schema.signatures import REASONS, SIGNATURES
from tfrec.schema.tables import (
    EVENT_COLUMNS,
    FACT_COLUMNS,
    IMPRESSION_COLUMNS,
    ITEM_COLUMNS,
    RELATION_COLUMNS,
    USER_COLUMNS,
)
from tfrec.serving.server import EmbeddedServer
from tfrec.sources.formats import FORMATS
from tfrec.sources.source import Source


def hook(name):
    spec = importlib.util.spec_from_file_location(f"docs_hook_{name}", ROOT / "docs" / "hooks" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_the_modellers_script_fits_the_retrieval_model(tiny_prepared):
    program, _ = blocks(read("docs/modelling.md"), "python")
    assert "model.fit(" in program
    ran = run(program.replace("prepared/online_retail", str(tiny_prepared)))
    assert ran.returncode == 0, ran.stderr
    losses = [float(found) for found in re.findall(r" loss: ([\d.]+)", ran.stdout)]
    assert len(losses) >= 3
    assert losses[-1] < losses[0]


def test_a_ranking_model_is_fitted_to_stored_lists_as_the_page_shows(tmp_path):
    """Of four candidates the one with the greatest first feature is bought."""
    import tensorflow as tf

    import tfrec
    from tfrec.models.sources.registry import FEATURES

    rng = np.random.default_rng(0)
    features = rng.normal(size=(640, 4, len(FEATURES))).astype(np.float32)
    is_best = features[..., 0] == features[..., 0].max(axis=1, keepdims=True)
    lists = tfrec.pipelines.RankingExamples(
        features, np.ones((640, 4), bool), is_best[..., None], is_best, heads=("purchase",)
    )
    _, program = blocks(read("docs/modelling.md"), "python")
    scope = {"tf": tf, "tfrec": tfrec, "folder": tmp_path / "lists", "parts": [lists], "num_features": len(FEATURES)}
    exec(program.replace("epochs=4", "epochs=8, verbose=0"), scope)
    score, _ = scope["ranker"](tf.constant(features))
    assert (score.numpy().argmax(axis=1) == is_best.argmax(axis=1)).mean() > 0.7


@pytest.fixture(scope="module")
def server(tiny_trained):
    with EmbeddedServer(tiny_trained.models, port=0) as one:
        yield one


@pytest.mark.slow
@pytest.mark.parametrize(
    "holds",
    [
        pytest.param("with RecommenderClient(", id="thin client"),
        pytest.param("asyncio.run(", id="asyncio"),
        pytest.param("PredictionServiceStub(", id="stubs of TF Serving"),
    ],
)
def test_the_back_end_programs_print_offers(tiny_trained, server, holds):
    program = next(block for block in blocks(read("docs/client.md"), "python") if holds in block)
    items = tiny_trained.shop.vocabularies.items.tokens
    program = program.replace("85123A", items[0]).replace("71053", items[1])
    program = program.replace("localhost:8500", f"localhost:{server.port}")
    program = program.replace("deadline=0.3", "deadline=30")
    ran = run(program.replace("RecommenderClient(", "RecommenderClient(deadline=30, target="))
    assert ran.returncode == 0, ran.stderr
    assert len(re.findall(r"P\d{5}", ran.stdout)) >= 5


def test_the_client_with_a_fall_back_is_made_as_the_page_writes_it():
    (program,) = (block for block in blocks(read("docs/client.md"), "python") if "fallback=" in block)
    ran = run(program + "print(client.fallback)")
    assert (ran.returncode, ran.stdout) == (0, "fallback\n")


@pytest.mark.parametrize("page", PAGES)
def test_every_command_of_a_page_is_understood(page):
    for call in commands(read(page)):
        cli.build_parser().parse_args(call)


def test_the_quick_start_has_the_way_from_a_log_to_an_answer():
    verbs = {call[0] for call in commands(read("docs/quick-start.md"))}
    assert verbs >= {"prepare", "train", "evaluate", "recommend", "serve", "ask"}


@pytest.mark.parametrize("page", PAGES)
def test_every_make_target_of_a_page_exists(page):
    makefile = read("Makefile")
    for target in set(re.findall(r"(?:^|`)make ([a-z][a-z_-]+)", read(page), flags=re.M)):
        exists = (
            (ROOT / "tests" / "benchmarks" / f"{target.removeprefix('bench-')}.py").is_file()
            if target.startswith("bench-")
            else re.search(rf"^{target}:", makefile, flags=re.M)
        )
        assert exists, target


def test_the_table_of_strategies_is_the_contracts():
    concepts = read("docs/concepts.md")
    for signature in SIGNATURES.values():
        if signature.servable == "shop":
            assert f"| `{signature.name}` | {signature.meaning}".split(" (")[0] in concepts


def test_every_place_of_the_map_exists():
    rows = re.findall(r"^\| (`.+?`) \|", read("docs/design.md"), flags=re.M)
    places = re.findall(r"`([^`]+)`", " ".join(rows))
    assert len(places) > 10
    for place in places:
        assert (ROOT / place).exists(), place


def parsers(parser):
    """Yields a parser and all below it that run something."""
    below = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    if not below:
        yield parser
    for action in below:
        for child in action.choices.values():
            yield from parsers(child)


def test_the_command_line_page_has_every_verb_and_every_argument():
    lines = "\n".join(hook("command_line").describe_verbs())
    for parser in parsers(cli.build_parser()):
        section = lines.split(f"{{#{parser.prog.replace(' ', '-')}}}\n")[1].split("\n### ")[0]
        for action in parser._actions:
            if action.help is not argparse.SUPPRESS and not {"-h", "-v"} & set(action.option_strings):
                name = action.option_strings[0] if action.option_strings else action.metavar or action.dest
                assert f"`{name}" in section, (parser.prog, name)


@pytest.mark.parametrize("page", ["client", "command-line", "concepts", "recipes"])
def test_tables_of_a_page_are_those_of_the_code(page):
    text = read(f"docs/{page}.md")
    assert "<!-- table: " in text
    assert hook("written_tables").with_tables(text) == text, "Run: make docs-tables"


def test_the_client_page_has_the_whole_contract():
    page = read("docs/client.md")
    for signature in SIGNATURES.values():
        assert f"| `{signature.servable}` | `{signature.name}` |" in page
        for spec in (*signature.inputs, *signature.outputs):
            assert f"| `{spec.name}` |" in page
    assert '| `cart_item_ids` | `[B, n]` string | `""` |' in page
    assert "| `recent_ages` | `[B, n]` float32 | `0` |" in page
    assert "| `max_price` | `[B]` float32 |  | `infinity` |" in page


def test_the_concepts_page_has_every_reason():
    page = read("docs/concepts.md")
    for code, sentence in REASONS.items():
        assert f"| `{code}` | {sentence} |" in page


def test_the_recipes_page_lists_the_recipes_of_the_package():
    page = read("docs/recipes.md")
    assert {"online_retail", "demo_shop"} <= set(re.findall(r"^\| `(\w+)` \|", page, flags=re.M))


def keys_of(kind):
    """Yields the names of a recipe's keys, those of its sections too."""
    for name, hint in typing.get_type_hints(kind).items():
        yield name
        for part in (hint, *typing.get_args(hint)):
            if dataclasses.is_dataclass(part):
                yield from keys_of(part)


def test_the_recipes_page_names_every_key_and_column_that_a_recipe_may_have():
    reference = read("docs/recipes.md").split("\n## Reference\n")[1].split("\n## ")[0]
    named = set(re.findall(r"`\[*([a-z_.]+)\]*`", reference)) | set(re.findall(r"`\[+([a-z_.]+)\]+`", reference))
    columns = [*EVENT_COLUMNS, *ITEM_COLUMNS, *USER_COLUMNS, *FACT_COLUMNS, *RELATION_COLUMNS, *EVENT_KEYS, *ITEM_KEYS]
    columns += [*IMPRESSION_COLUMNS, *RATE_KEYS]
    wanted = {*keys_of(recipes.Recipe), *columns, *EVENT_TYPES, RETURN, *FORMATS, *COUNTS}
    assert sorted(wanted - named) == []
    defaults = set(re.findall(r"`([^`]+)`", reference))
    assert set(Source().missing) <= defaults


def test_the_api_reference_has_every_public_module():
    api = hook("api")
    packages = api.public_packages()
    assert {"client", "models", "serving", "training"} <= set(packages)
    for package in packages:
        page = "\n".join(api.describe_package(package))
        assert f"::: tfrec.{package}\n" in page
        for path in (ROOT / "tfrec" / package).rglob("*.py"):
            if not path.name.startswith("_"):
                assert f"::: {'.'.join(path.relative_to(ROOT).with_suffix('').parts)}\n" in page
