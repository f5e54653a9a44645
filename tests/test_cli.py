"""The command line as a newcomer meets it: help, errors, the way from raw files to slates."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time

import pandas as pd
import pytest

from tests.interruptions import stop_tfrec
from tfrec.cli import VERBS as VERB_MODULES
from tfrec.cli import main
from tfrec.cli.demo import fast_demo_note
from tfrec.cli.tables import offer_table
from tfrec.client import OfferedItem
from tfrec.errors import install_hint
from tfrec.ingest.recipes import shipped_recipes
from tfrec.serving.server import EmbeddedServer

VERBS = tuple(module.__name__.rpartition(".")[2] for module in VERB_MODULES)
HEAVY = ("tensorflow", "tf_keras", "keras", "pandas", "pyarrow", "sklearn", "scipy", "ibis", "duckdb", "tqdm")
_THIN = (*HEAVY[:-1], "tensorflow_serving", "tensorflow_recommenders")
_BLOCKED = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {names!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name.split(".")[0])
sys.meta_path.insert(0, Absent())
from tfrec.cli import main
from tfrec.cli.tables import offer_table
from tfrec.client import OfferedItem
"""
_COMMAND = """
sys.exit(main(sys.argv[1:]))
"""
_HELP = """
for verb in sys.argv[1:]:
    try:
        main([verb, "--help"])
    except SystemExit as ended:
        assert ended.code == 0, (verb, ended.code)
    else:
        raise AssertionError(f"{verb} --help went on")
"""


def run_tfrec(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "tfrec", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )


def run_base_install(*arguments):
    """Runs `tfrec` as if only the thin client's dependencies were installed."""
    return subprocess.run(
        [sys.executable, "-c", _BLOCKED.format(names=_THIN) + _COMMAND, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )


def test_help_is_there_at_once_and_imports_nothing_heavy():
    code = f"import sys, tfrec.cli; print(*sorted(set({HEAVY!r}) & set(sys.modules))); print(len(sys.modules))"
    heavy, num_modules = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert heavy == ""
    assert int(num_modules) < 400  # what takes the time: each is read from the disk


@pytest.mark.parametrize("verb", VERBS)
def test_each_verb_teaches_with_examples(verb, capsys):
    with pytest.raises(SystemExit) as ended:
        main([verb, "--help"])
    text = capsys.readouterr().out
    assert ended.value.code == 0
    assert "examples:" in text
    assert f"tfrec {verb}" in text.split("examples:")[1]


def test_help_of_every_verb_works_in_the_base_install():
    ran = subprocess.run(
        [sys.executable, "-c", _BLOCKED.format(names=_THIN) + _HELP, *VERBS],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert [line.split()[2] for line in ran.stdout.splitlines() if line.startswith("usage: tfrec ")] == list(VERBS)


def test_help_of_prepare_lists_every_recipe_of_the_package(capsys):
    with pytest.raises(SystemExit):
        main(["prepare", "--help"])
    listed = capsys.readouterr().out.split("recipes of the package:\n")[1]
    assert listed.replace(",", " ").split() == sorted(path.stem for path in shipped_recipes().glob("*.toml"))


def test_the_fast_demo_says_how_much_smaller_it_is_than_the_full_one():
    note = fast_demo_note()
    assert "400 items, 600 users, 16,000 events" in note
    assert "2,000 items, 5,000 users and 200,000 events" in note


def test_help_states_defaults(capsys):
    with pytest.raises(SystemExit):
        main(["serve", "--help"])
    assert "(default: 8500)" in capsys.readouterr().out


def test_the_module_is_the_command():
    ran = run_tfrec("--version")
    assert ran.returncode == 0
    assert re.fullmatch(r"tfrec \d+\.\d+\.\d+\n", ran.stdout)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["prepare", "onlin_retail", "--out", "x"], "online_retail", id="unknown recipe names the nearest"),
        pytest.param(["train", "absent", "--out", "x"], "tfrec prepare", id="no prepared shop"),
        pytest.param(["evaluate", "absent"], "tfrec train", id="no models to evaluate"),
        pytest.param(["export", "absent"], "tfrec train", id="no models to export"),
        pytest.param(["serve", "absent"], "tfrec export", id="no models to serve"),
        pytest.param(["serve", "absent", "--tls-key", "key.pem"], "--tls-certificate", id="a key without certificate"),
        pytest.param(
            ["recommend", "absent", "--signature", "similr", "--queries", "q", "--out", "s"],
            "'similar'",
            id="signature",
        ),
        pytest.param(["ask", "localhost:1", "cross_sell", "--cart", "a"], "tfrec serve", id="no server"),
        pytest.param(["ask", "http://localhost:1", "cross_sell"], "host:port", id="not a gRPC address"),
        pytest.param(["ask", "localhost:1", "similar", "--cart", "a"], "no input 'cart_item_ids'", id="wrong input"),
        pytest.param(["ask", "localhost:1", "recommend", "--recent-ages", "x"], "hours", id="ages that are no numbers"),
        pytest.param(["ask", "localhost:1", "recommend", "--items", "absent.csv"], "absent.csv", id="no titles"),
    ],
)
def test_an_error_is_one_message_without_a_traceback(arguments, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    printed = capsys.readouterr()
    assert printed.err.splitlines()[-1].startswith("tfrec: ")
    assert message in printed.err
    assert "Traceback" not in printed.err
    assert printed.out == ""


RECIPE = """
name = "raw"
[events]
files = "raw.csv"
type = "purchase"
[events.columns]
order_id = "order"
item_id = "item"
user_id = "user"
timestamp = "time"
"""


@pytest.mark.parametrize(
    ("raw", "recipe", "message"),
    [
        pytest.param("order,item,user\n1,a,u\n", RECIPE, "time", id="missing column"),
        pytest.param("order,item,user,time\n1,a,u,noon\n2,b,u,later\n", RECIPE, "time_format", id="unparsable dates"),
        pytest.param("", RECIPE, "empty", id="empty file"),
        pytest.param("order,item,user,time\n", RECIPE, "no row", id="heading alone"),
        pytest.param("order,item,user,time\n", RECIPE + "clean = 3\n", "clean", id="wrong section"),
        pytest.param("order,item,user,time\n", RECIPE.replace("files", "file"), "files", id="unknown recipe key"),
        pytest.param(None, RECIPE, "raw.csv", id="no file"),
    ],
)
def test_bad_raw_data_is_named_and_leaves_nothing(raw, recipe, message, tmp_path, capsys):
    (tmp_path / "raw.toml").write_text(recipe)
    if raw is not None:
        (tmp_path / "raw.csv").write_text(raw)
    assert main(["prepare", str(tmp_path / "raw.toml"), "--out", str(tmp_path / "out")]) == 2
    printed = capsys.readouterr().err
    assert "Traceback" not in printed
    assert message in printed
    assert not (tmp_path / "out").exists()


def test_the_base_install_asks_and_refuses_the_rest_with_advice(tiny_models, tmp_path):
    with EmbeddedServer(tiny_models, port=0) as server:
        ran = run_base_install("ask", f"localhost:{server.port}", "similar", "--item", "x")
    assert "ModuleNotFoundError" not in ran.stderr
    ran = run_base_install("train", "x", "--out", tmp_path / "y")
    assert ran.returncode == 2
    assert install_hint("train") in ran.stderr
    assert "Traceback" not in ran.stderr


@pytest.fixture(scope="module")
def target(tiny_trained):
    with EmbeddedServer(tiny_trained.models, port=0) as server:
        yield f"localhost:{server.port}"


def test_ask_prints_titles_prices_and_reasons(target, tiny_trained, tiny_prepared, capsys):
    items = tiny_trained.shop.prepared.train.items
    anchor = items["item_id"].iloc[0]
    assert main(["ask", target, "similar", "--item", anchor, "--k", "3", "--prepared", str(tiny_prepared)]) == 0
    text = capsys.readouterr().out
    assert len(text.splitlines()) == 2 + 3
    assert f"similar to {items['title'].iloc[0][:20]}" in text


def test_ask_takes_titles_from_a_plain_file_in_the_base_install(target, tiny_trained, tmp_path):
    item_ids = tiny_trained.shop.vocabularies.items.tokens
    titles = tmp_path / "titles.csv"
    titles.write_text("item_id,title\n" + "".join(f"{item},The {item} thing\n" for item in item_ids))
    ran = run_base_install("ask", target, "complete_cart", "--cart", item_ids[0], "--k", "2", "--items", titles)
    assert ran.returncode == 0, ran.stderr
    assert len(re.findall(r"The P\d+ thing", ran.stdout)) >= 2


def test_ask_prints_json(target, tiny_trained, capsys):
    cart = ",".join(tiny_trained.shop.vocabularies.items.tokens[:2])
    assert main(["ask", target, "cross_sell", "--cart", cart, "--user", "unknown", "--k", "4", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert len(answer["offers"]) == 4
    assert {"item_id", "price", "reason", "probability"} <= set(answer["offers"][0])


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["complete_cart", "--cart", "no-such-item,nor-this"], id="unknown items"),
        pytest.param(["complete_cart"], id="empty cart"),
        pytest.param(["recommend", "--k", "1000000"], id="a million items"),
        pytest.param(["recommend", "--k", "0"], id="no items"),
        pytest.param(["upsell", "--item", "no-such-item"], id="unknown anchor"),
        pytest.param(["recommend", "--min-price", "1e9"], id="nothing dear enough"),
        pytest.param(["recommend", "--categories", "No such category"], id="unknown category"),
        pytest.param(["rank", "--candidates", "no-such-item"], id="unknown candidate"),
        pytest.param(["retrieve", "--recent", "no-such-item"], id="unknown history"),
    ],
)
def test_odd_questions_get_sensible_answers(target, arguments, capsys):
    assert main(["ask", target, *arguments, "--deadline", "60"]) == 0
    assert "Traceback" not in capsys.readouterr().err


def test_fewer_than_no_items_is_an_error_that_names_the_argument(target, capsys):
    assert main(["ask", target, "recommend", "--k", "-5", "--deadline", "60"]) == 2
    assert "`k`" in capsys.readouterr().err


def test_raw_answers_are_printed_too(target, tiny_trained, capsys):
    item = tiny_trained.shop.vocabularies.items.tokens[0]
    assert main(["ask", target, "rank", "--candidates", item]) == 0
    assert item in capsys.readouterr().out
    assert main(["ask", target, "retrieve", "--cart", item, "--k", "3", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 3
    cart = tiny_trained.shop.vocabularies.items.tokens[:3].tolist()
    assert main(["ask", target, "arrange_cart", "--cart", ",".join(cart), "--objective", "revenue", "--json"]) == 0
    lines = json.loads(capsys.readouterr().out)
    assert sorted(line["item_ids"] for line in lines) == sorted(cart)
    assert all(line["complement_item_ids"] not in cart for line in lines)


def test_recommend_writes_slates_and_says_how_fast(tiny_trained, tmp_path, capsys):
    cart = tiny_trained.shop.vocabularies.items.tokens[:2].tolist()
    pd.DataFrame({"query_id": ["q"], "cart_item_ids": [cart]}).to_parquet(tmp_path / "q.parquet")
    arguments = ["--signature", "complete_cart", "--queries", tmp_path / "q.parquet", "--k", 3, "--out", tmp_path / "s"]
    assert main(["recommend", str(tiny_trained.models), *map(str, arguments)]) == 0
    printed = capsys.readouterr()
    assert "queries/s" in printed.err
    assert "3 rows" in printed.out
    assert len(pd.read_parquet(tmp_path / "s")) == 3


@pytest.mark.slow
def test_serve_stops_on_interrupt_with_status_0(tiny_trained):
    assert stop_tfrec("serve", tiny_trained.models, "--port", "0", once="Serving").status == 0


def test_interrupting_says_what_stays(tiny_prepared, tmp_path):
    stopped = stop_tfrec("train", tiny_prepared, "--out", tmp_path / "models", once="Loading TensorFlow")
    assert stopped.status == 130
    assert "resumes where this one stopped" in stopped.stderr_text
    assert "Traceback" not in stopped.stderr_text


def _interrupt_myself():
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(5)


def _makes_another_error(options):
    try:
        _interrupt_myself()
    except KeyboardInterrupt:
        raise ValueError("no valid buffer format string") from None


def _drops_it(options):
    with contextlib.suppress(KeyboardInterrupt):
        _interrupt_myself()
    time.sleep(5)
    (options.prepared / "finished").touch()


def _clears_up(options):
    try:
        _interrupt_myself()
    finally:
        time.sleep(1.2)  # longer than the interruption waits before it comes again
        (options.prepared / "cleared up").touch()


@pytest.mark.parametrize(
    ("work", "left"),
    [
        pytest.param(_makes_another_error, [], id="another error"),
        pytest.param(_drops_it, [], id="dropped"),
        pytest.param(_clears_up, ["cleared up"], id="clears up"),
    ],
)
def test_an_interrupt_ends_the_work_whatever_c_made_of_it(work, left, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr("tfrec.cli.associations.run", work)
    assert main(["associations", str(tmp_path)]) == 130
    printed = capsys.readouterr().err
    assert "Interrupted." in printed and "buffer" not in printed
    assert [path.name for path in tmp_path.iterdir()] == left
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


def test_an_error_without_an_interrupt_stays_what_it_is(monkeypatch, tmp_path):
    def breaks(options):
        raise ValueError("a mistake of ours")

    monkeypatch.setattr("tfrec.cli.associations.run", breaks)
    with pytest.raises(ValueError, match="a mistake of ours"):
        main(["associations", str(tmp_path)])


@pytest.mark.parametrize(
    ("reason", "count", "sentence"),
    [
        pytest.param("bought_together", 1, "bought together with Mug in 1 order", id="one order"),
        pytest.param("bought_together", 11, "bought together with Mug in 11 orders", id="eleven orders"),
        pytest.param("bought_by_you", 1, "you bought it once", id="once"),
    ],
)
def test_reasons_know_the_singular(reason, count, sentence):
    offer = OfferedItem("b", 1.0, 0.5, 2.0, reason, "a", count, "cart")
    assert offer.reason_sentence({"a": "Mug"}) == sentence
    assert sentence in offer_table([offer], {"a": "Mug", "b": "Tea"})


def test_tables_number_the_sets_that_reach_a_threshold():
    offers = [
        OfferedItem(item, 1.0, 0.5, 6.0, "new", "", 0, "cart", threshold_set=number)
        for item, number in (("b", 1), ("c", 0))
    ]
    head, _, first, second = offer_table(offers, {}).splitlines()
    assert "in set" in head
    assert "  1  " in first.split("6.00")[1] and "1" not in second.split("6.00")[1]


def test_tables_put_numbers_right_and_cut_long_titles():
    offer = OfferedItem("b", 1.0, 0.5, 1234.5, "new", "", 0, "cart")
    _, rule, row = offer_table([offer], {"b": "T" * 60}).splitlines()
    assert "1,234.50" in row
    assert "…" in row
    assert len(rule) >= len(row.rstrip()) - 1
    assert offer_table([], {}) == "(nothing to offer)"
