"""Every command on customers, demand, promotions and experiments, on shops at the edge: no stack trace, no NaN."""

import re
import warnings
from pathlib import Path

import pytest

from tests.odd_shops import ODD_SHOPS, prepare_odd_shop
from tfrec.cli import main

_COMMANDS = (
    "report SHOP --out OUT/report.html --json OUT/report.json",
    "interests SHOP",
    "segments SHOP --method rfm",
    "segments SHOP --method kmeans",
    "segments SHOP --method dbscan",
    "audience SHOP | orders > 0 and recency < 30d | --min-users 2",
    'audience SHOP | expected_value > 1 or response("order") > 10%',
    'audience SHOP | response("coupon_10") > 1%',
    "audience SHOP | orders > 1 | --like 5 --min-users 2",
    "audience SHOP | orders > 1 | --against | orders > 2 | --min-users 1",
    "associations SHOP",
    "associations SHOP --view directed",
    "relations SHOP",
    "forecast SHOP",
    "forecast SHOP --horizon 364",
    "churn SHOP",
    "value SHOP",
    "profile SHOP u0",
    "profile SHOP u0 --json",
    "experiment design SHOP --metric conversion --effect 10%",
    "experiment design SHOP --metric value --effect 10%",
    "experiment assign SHOP --name page --out OUT/arms.csv",
    "experiment read OUT/arms.csv SHOP --from 2025-02-01",
    "campaign plan SHOP --budget 100 --name spring --out OUT/plan --min-users 1 --face-value coupon_10=5,coupon_20=9",
    "campaign read OUT/plan SHOP --from 2025-02-01",
    "policy SHOP",
)
_NO_FIGURE = re.compile(r"(?i)\b(nan|inf|nat)\b|nan ?%|inf ?%")


@pytest.mark.slow
@pytest.mark.parametrize("name", ODD_SHOPS)
def test_each_command_answers_or_states_what_is_missing(name, tmp_path, capsys):
    shop, out = prepare_odd_shop(name, tmp_path / "raw"), tmp_path / "out"
    out.mkdir()
    wrong = []
    for command in _COMMANDS:
        status, printed, errors = run(command, shop, out, capsys)
        is_said = status == 0 or (status == 2 and re.search(r"^tfrec: .{20,}", errors.strip().splitlines()[-1]))
        if not is_said or _NO_FIGURE.search(printed + errors):
            wrong.append(f"{command}: {status}\n{printed}\n{errors}")
    page = out / "report.html"
    text = re.sub(r"<(svg|style).*?</\1>", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    wrong += [f"report: ... {text[max(at.start() - 60, 0) : at.end() + 20]}" for at in _NO_FIGURE.finditer(text)]
    assert not wrong, "\n".join(wrong)


def run(command: str, shop: Path, out: Path, capsys) -> tuple[int, str, str]:
    """Runs a command, in which texts between bars are one argument, with warnings as errors."""
    parts = [part.strip() for part in command.split("|")]
    arguments = [word for at, part in enumerate(parts) for word in (part.split() if at % 2 == 0 else [part])]
    arguments = [word.replace("SHOP", str(shop)).replace("OUT", str(out)) for word in arguments]
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        warnings.simplefilter("error", UserWarning)
        status = main(arguments)
    printed = capsys.readouterr()
    return status, printed.out, printed.err
