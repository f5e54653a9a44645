"""The tutorials of `examples/` run as they stand and find what is known to be there."""

import os
import re
import subprocess
import sys

import pytest

from tests.demo_shops import prepare_demo_shop
from tests.documents import ROOT, commands, read

EXAMPLES = sorted(path.name for path in (ROOT / "examples").glob("*.py"))


def run(name, folder):
    ran = subprocess.run(
        [sys.executable, str(ROOT / "examples" / name), str(folder)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": str(ROOT)},
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@pytest.fixture(scope="module")
def coupon_shop(tmp_path_factory):
    """A prepared demo shop with enough users an arm to plan on; read-only."""
    folder = tmp_path_factory.mktemp("coupons")
    return prepare_demo_shop(folder, num_items=400, num_users=700, num_events=12_000, num_slates=500)


def test_every_example_is_shown_in_the_tutorials_and_tested_here():
    assert len(EXAMPLES) == 4
    for name in EXAMPLES:
        assert f"<!-- example: {name} -->" in read("docs/tutorials.md")
        assert f'"{name}"' in read("tests/test_examples.py")


@pytest.mark.slow
def test_ones_own_log_offers_the_biscuit_of_the_tea(tmp_path):
    printed = run("own_log.py", tmp_path / "shop")
    offered = re.findall(r"^((?:tea|biscuit)-\d+) ", printed, flags=re.M)
    assert offered[0] == "biscuit-3"
    assert "bought together with tea-3" in printed
    verbs = [call[0] for call in commands("```bash\n" + printed.split("Next, in ")[1].split("\n", 1)[1] + "```\n")]
    assert verbs == ["train", "evaluate", "report"]


@pytest.mark.slow
def test_a_custom_tower_learns(tiny_prepared):
    printed = run("custom_tower.py", tiny_prepared)
    losses = [float(loss) for loss in re.findall(r"\d\.\d{3}", printed.splitlines()[0])]
    assert len(losses) == 3
    assert losses == sorted(losses, reverse=True)
    assert len(re.findall(r"P\d{5}", printed)) == 4


@pytest.mark.slow
def test_a_coupon_campaign_is_read_as_it_truly_was(coupon_shop):
    printed = run("coupon_campaign.py", coupon_shop)
    last = printed.splitlines()[-1]
    low, high, truth = (float(number.replace(",", "")) for number in re.findall(r"-?[\d,]*\d", last))
    assert low < truth < high
    assert "the chance of exceeding 10,000.00 EUR is at most 5%" in printed
    held = int(re.search(r"with (\d+) held-out users", printed)[1])
    assert held >= 30


def test_an_ab_test_finds_an_effect_only_where_there_is_one(tiny_prepared):
    printed = run("ab_test.py", tiny_prepared)
    assert "A/A: {'treatment': 'undecided'}" in printed
    assert "A/B: {'treatment': 'ship'}" in printed
