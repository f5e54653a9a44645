"""What rules cost: nothing where they change nothing, everything where nothing is left."""

import json

from tfrec.cli import main

RULES = """\
[[rules]]
do = "cap"
most = 10
reason = "ten of ten"

[[rules]]
do = "block"
categories = {tops}
start = 2999-01-01
reason = "nothing left"

[[rules]]
do = "bury"
categories = {tops}
signatures = ["upsell"]
reason = "no queries"
"""


def test_a_rule_costs_what_it_takes_away(models, tiny_trained, tmp_path, capsys):
    items = tiny_trained.shop.prepared.train.items
    assert (items["category"] != "").all()
    tops = sorted({path.split(" > ")[0] for path in items["category"]})
    file = tmp_path / "rules.toml"
    file.write_text(RULES.format(tops=json.dumps(tops)), encoding="utf-8")

    assert main(["rules", "check", str(models), "--rules", str(file), "--max-queries", "60", "--json"]) == 0
    idle, total, unasked, now = json.loads(capsys.readouterr().out)["rules"]
    assert (idle["num_touched"], idle["hit_rate"]["difference"]["value"]) == (0, 0.0)
    assert total["num_touched"] == total["num_slates"] > 60
    assert total["hit_rate"]["difference"]["value"] < 0 and total["revenue"]["difference"]["value"] < 0
    assert (unasked["num_slates"], unasked["hit_rate"]) == (0, None)
    assert (now["rule"], now["num_touched"]) == (0, 0)  # the block begins in 2999

    assert main(["rules", "check", str(models), "--rules", str(file), "--max-queries", "5"]) == 0
    printed = capsys.readouterr().out
    assert "nothing left" in printed and "not measured" in printed
