"""The README is short, its programs and figures are those of the pages that tests check, in both languages."""

import dataclasses
import datetime as dt
import re
from pathlib import PurePosixPath

import pytest

from tests.benchmarks import results
from tests.benchmarks.pages import PAGES as FIGURE_PAGES
from tests.benchmarks.pages import fill
from tests.benchmarks.results import Compared, Cost, Figure, Held, Results, read_results, save_results
from tests.documents import PAGES, ROOT, blocks, commands, read

README, CHINESE = "README.md", "README.zh-CN.md"


def figures(text):
    """Returns the rows of the table of figures: the numbers of each, in order."""
    section = re.split(r"^## (?:Figures|结果)\n", text, flags=re.M)[1].split("\n## ")[0]
    rows = [line.split("|")[2:4] for line in section.splitlines() if line.startswith("| ")][2:]
    return [[cell.strip() for cell in row] for row in rows]


def test_the_readme_is_short():
    text = read(README)
    assert len(text.splitlines()) <= 150
    assert len(text.split()) <= 900


def test_the_back_end_program_is_the_one_of_the_client_page_in_five_lines():
    program, modelling = blocks(read(README), "python")
    assert program == blocks(read("docs/client.md"), "python")[0]  # which `test_docs.py` runs
    assert modelling == blocks(read("docs/modelling.md"), "python")[0]
    assert len([line for line in program.splitlines() if line]) <= 5
    assert len([line for line in modelling.splitlines() if line]) <= 8


def test_operators_need_four_lines():
    assert [call[0] for call in commands(read(README))] == ["prepare", "train", "evaluate", "serve"]


@pytest.mark.parametrize("page", FIGURE_PAGES)
def test_every_table_of_figures_is_written_from_what_the_benchmarks_saved(page):
    text = read(page)
    assert "<!-- figures: " in text
    assert fill(text, read_results()) == text, "Write the tables: python -m tests.benchmarks.pages"


def test_the_readme_shows_five_figures():
    assert len(figures(read(README))) == 5


def test_a_figure_that_the_benchmark_has_not_saved_changes_the_page():
    saved = read_results()
    row = saved["online_retail"].compared[0]
    better = dataclasses.replace(row, ours=Figure(0.999, 0.998, 0.9991))
    changed = {**saved, "online_retail": dataclasses.replace(saved["online_retail"], compared=(better,))}
    assert "**.999 (.998–.999)**" in fill("<!-- figures: quality -->\n<!-- end of figures -->", changed)


def test_what_is_saved_is_read_again(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "FOLDER", tmp_path)
    row = Compared("coop100", "complete_cart", "all HR@10", Figure(0.3, 0.2, 0.4, (0.3,)), Figure(0.2), "EASE", 7)
    held = Held("offers", Figure(0.9, 0.8, 1.0), 5, 0.8, note="of guests")
    path = save_results("study", "make bench-quality", compared=[row], costs=[Cost("training", "9 s")], held=[held])
    assert [entry.name for entry in tmp_path.iterdir()] == ["study.json"] == [path.name]
    saved = read_results(tmp_path)["study"]
    assert (saved.compared, saved.costs, saved.held) == ((row,), (Cost("training", "9 s"),), (held,))


def test_the_table_of_strategies_states_each_bar_and_whether_it_is_reached():
    rows = (
        Held("upgrades", Figure(0.7), 1234, 0.8),
        Held("leaks", Figure(0.0), 9, 0.02, True),
        Held("alone", Figure(1.0), 9),
    )
    saved = {"strategies": Results("make bench-strategies", "1", "2026-01-01", 2, held=rows)}
    text = fill("<!-- figures: strategies -->\n<!-- end of figures -->", saved)
    assert "`make bench-strategies`:" in text
    assert "| upgrades | .700 | ≥ .800, missed | 1,234 |  |" in text
    assert "| leaks | .000 | ≤ .020, reached | 9 |  |" in text
    assert "| alone | 1.000 |  | 9 |  |" in text


@pytest.mark.parametrize("name", read_results())
def test_what_a_benchmark_saved_names_its_command_its_version_and_its_day(name):
    saved = read_results()[name]
    target = saved.command.split()[1].removeprefix("bench-")
    assert saved.command.startswith("make bench-")
    assert (ROOT / "tests" / "benchmarks" / f"{target}.py").is_file()
    assert saved.version
    assert dt.date.fromisoformat(saved.date)


def test_the_chinese_readme_has_the_same_code_figures_and_links():
    english, chinese = read(README), read(CHINESE)
    fenced = re.compile(r"^```.*?^```$", flags=re.M | re.S)
    assert fenced.findall(english) == fenced.findall(chinese)
    assert figures(english) == figures(chinese)
    link = re.compile(r"\]\(([^)]+)\)")
    assert sorted(set(link.findall(english)) - {CHINESE}) == sorted(set(link.findall(chinese)) - {README})
    assert len(re.findall(r"^## ", english, flags=re.M)) == len(re.findall(r"^## ", chinese, flags=re.M))


def test_the_chinese_readme_is_chinese():
    text = re.sub(r"```.*?```|`[^`]*`|\([^)]*\)", "", read(CHINESE), flags=re.S)
    assert len(re.findall(r"[\u4e00-\u9fff]", text)) > 3 * len(re.findall(r"[A-Za-z]+", text))


@pytest.mark.parametrize("page", PAGES)
def test_every_link_to_a_file_leads_somewhere(page):
    for link in re.findall(r"\]\(([^)#:\s]+)(?:#[\w-]+)?\)", read(page)):
        if link.endswith(".md") and "api" in PurePosixPath(link).parts:
            continue  # made by `docs/hooks/api.py`, checked by `make docs`
        assert (ROOT / page).parent.joinpath(link).exists(), link


@pytest.mark.parametrize("page", PAGES)
def test_no_page_installs_the_package_of_somebody_else(page):
    # `tfrec` on PyPI is not this project: it is installed from a clone or a wheel.
    assert not re.search(r"pip install +[\"']?tfrec", read(page))
