"""Writes the tables of figures into the documents, from `docs/benchmarks/*.json`: `python -m tests.benchmarks.pages`.

A table stands between `<!-- figures: NAME -->` and `<!-- end of figures -->`; nothing in it is typed by hand.
"""

import re
from collections.abc import Callable, Iterator, Mapping

from tests.benchmarks.results import ROOT, Compared, Results, read_results

_PLACE = re.compile(r"(<!-- figures: (\w+) -->\n).*?(<!-- end of figures -->)", flags=re.S)
PAGES = ("docs/benchmarks/index.md", "README.md", "README.zh-CN.md")

DATA = {
    "online_retail": "Online Retail",
    "coop100": "coop100",
    "groceries": "Groceries",
    "eshop_clothing_2008": "e-shop clothing",
    "demo_shop": "demo shop",
    "fashion_shop": "demo shop with Fashion-MNIST pictures",
    "cold_start": "demo shop with facts and friends",
}
TASKS = {
    "complete_cart": "cart completion",
    "next_item": "next click",
    "next_basket": "whole next basket",
    "upsell": "upsell",
    "never_sold": "items never sold",
    "newcomers": "first orders of users whose friends bought",
}
HEADLINES = (
    ("online_retail", "complete_cart", "all HR@10"),
    ("online_retail", "complete_cart", "discover HR@10"),
    ("coop100", "complete_cart", "all HR@10"),
    ("groceries", "complete_cart", "all HR@10"),
    ("eshop_clothing_2008", "next_item", "all HR@20"),
    ("demo_shop", "complete_cart", "all HR@10"),
    ("demo_shop", "upsell", "all HR@10"),
    ("online_retail", "complete_cart", "all HR@20"),
    ("online_retail", "complete_cart", "all NDCG@10"),
    ("online_retail", "complete_cart", "discover NDCG@10"),
)
"""Data, task and metric in the order of preference: the README shows the first `_NUM_HEADLINES` that are saved."""
_NUM_HEADLINES = 5
_CHINESE = {
    "cart completion": "购物车补全",
    "cross-sell (new to the user)": "交叉销售（用户未买过）",
    "next click": "下一次点击",
    "upsell": "升级推荐",
}


def write_pages() -> list[str]:
    """Writes each table into its document, and returns the documents that changed."""
    results, changed = read_results(), []
    for page in PAGES:
        path = ROOT / page
        before = path.read_text(encoding="utf-8")
        after = fill(before, results)
        if after != before:
            path.write_text(after, encoding="utf-8")
            changed.append(page)
    return changed


def fill(text: str, results: Mapping[str, Results]) -> str:
    """Returns the document with its tables made from the results."""
    return _PLACE.sub(lambda match: match[1] + "\n".join(TABLES[match[2]](results)) + "\n" + match[3], text)


def _quality(results: Mapping[str, Results]) -> Iterator[str]:
    yield "| data, task, metric | strongest baseline | tfrec, served | n | command |\n| --- | --- | --- | --- | --- |"
    for file in results.values():
        command = f"`{file.command}`"
        for row in file.compared:
            # What is ahead beyond its own interval stands out.
            is_ahead = row.ours.low is not None and row.ours.low > row.baseline.value
            ours = f"**{row.ours}**" if is_ahead else f"{row.ours}"
            times = f", {len(row.ours.each)} trainings" if len(row.ours.each) > 1 else ""
            place = f"{DATA[row.data]}, {_task(row)}, {_metric(row)}"
            yield f"| {place} | {row.name}: {row.baseline} | {ours}{times} | {row.n:,} | {command} |"
            command = "the same"


def _behind(results: Mapping[str, Results]) -> Iterator[str]:
    rows = [row for file in results.values() for row in file.compared if row.ours.value <= row.baseline.value]
    if not rows:
        yield "Nowhere among the figures above."
    for row in rows:
        yield (
            f"- {DATA[row.data]}, {_task(row)}, {_metric(row)}: {row.name} reaches {row.baseline.value:.3f}, "
            f"tfrec {row.ours.value:.3f}."
        )


def _costs(results: Mapping[str, Results]) -> Iterator[str]:
    if not any(file.costs for file in results.values()):
        yield "Not measured yet: `make benchmarks`."
        return
    yield "| what | figure | command |\n| --- | --- | --- |"
    for file in results.values():
        for row in file.costs:
            yield f"| {row.what} | {row.figure} | `{file.command}` |"


def _strategies(results: Mapping[str, Results]) -> Iterator[str]:
    if not any(file.held for file in results.values()):
        yield "Not measured yet: `make bench-strategies`."
        return
    for file in results.values():
        if not file.held:
            continue
        yield f"`{file.command}`:\n\n| what | figure | bar | n | beside it |\n| --- | --- | --- | --- | --- |"
        for row in file.held:
            bar = f"{row.bar_text}, {row.verdict}" if row.verdict else ""
            yield f"| {row.what} | {row.figure} | {bar} | {row.n:,} | {row.note} |"


def _headline(results: Mapping[str, Results], heads: str, say: Callable[[str], str]) -> Iterator[str]:
    yield f"{heads}\n| --- | --- | --- |"
    rows = {(row.data, row.task, row.metric): row for file in results.values() for row in file.compared}
    for place in [place for place in HEADLINES if place in rows][:_NUM_HEADLINES]:
        row = rows[place]
        metric = row.metric.split()[-1]
        yield f"| {DATA[row.data]}{say(', ')}{say(_task(row))}{say(', ')}{metric} | {row.baseline} | {row.ours} |"


def _task(row: Compared) -> str:
    return "cross-sell (new to the user)" if row.metric.startswith("discover") else TASKS[row.task]


def _metric(row: Compared) -> str:
    return row.metric.removeprefix("all ").removeprefix("discover ")


TABLES: Mapping[str, Callable[[Mapping[str, Results]], Iterator[str]]] = {
    "quality": _quality,
    "behind": _behind,
    "costs": _costs,
    "strategies": _strategies,
    "headline": lambda results: _headline(
        results, "| data, task | strongest baseline | tfrec, served |", lambda text: text
    ),
    "headline_zh": lambda results: _headline(
        results, "| 数据与任务 | 最强基线 | tfrec（线上服务） |", lambda text: {", ": "，", **_CHINESE}[text]
    ),
}


if __name__ == "__main__":
    for changed in write_pages():
        print(f"Wrote {changed}")
