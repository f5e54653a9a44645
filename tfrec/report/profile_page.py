"""Says what is known and predicted of one user, as a self-contained HTML page or as text."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from tfrec.pages.blocks import Section, Table
from tfrec.pages.render import render_page
from tfrec.report.absent import Absent
from tfrec.report.user_study import UserStudy
from tfrec.report.words import Language
from tfrec.schema.text_columns import cut, text_table

_ITEMS_OF_ORDER = 3


def profile_page(study: UserStudy, say: Language) -> str:
    """Returns the profile as one page, light or dark as the reader's system is."""
    return render_page(
        language=say.browser_code,
        title=say("profile.title", user=study.user_id),
        subtitle=say("profile.until", day=f"{study.now:%Y-%m-%d}"),
        sections=profile_sections(study, say),
    )


def profile_text(study: UserStudy, say: Language) -> str:
    """Returns the profile for a terminal."""
    blocks = []
    for section in profile_sections(study, say):
        lines = [f"{section.title}", *section.sentences]
        for table in section.tables:
            rows = [[cut(cell if isinstance(cell, str) else cell[0]) for cell in row] for row in table.rows]
            lines += ["", *([table.title] if table.title else []), text_table(table.heads, rows)]
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)


def written_text(path: Path, say: Language) -> str:
    """Returns where the page of a profile is."""
    return say("profile.path", path=path)


def profile_sections(study: UserStudy, say: Language) -> list[Section]:
    """Returns orders, outlook, interests, offers and experiments; parts without content are left out."""
    parts = (_orders(study, say), _outlook(study, say), _interests(study, say), _offers(study, say), _tests(study, say))
    return [part for part in parts if part.sentences or part.tables]


def _orders(study: UserStudy, say: Language) -> Section:
    sentences = [_buyer(study, say)]
    if study.returned["pieces"] > 0:
        sentences.append(say("profile.returned", currency=study.currency, **study.returned))
    if study.segment is not None:
        sentences.append(say("profile.segment", name=say.name(study.segment)))
    tables = []
    if len(study.orders):
        rows = tuple(
            (
                row.order_id or "–",
                f"{row.day:%Y-%m-%d}",
                f"{row.pieces:,.0f}",
                f"{row.value:,.2f}",
                _items_of(row.items, say),
            )
            for row in study.orders.itertuples()
        )
        heads = (
            say("profile.order"), say("profile.day"), say("profile.pieces"), say("heads.value"),
            say("customers.items"),
        )  # fmt: skip
        tables.append(Table(heads, rows, say("profile.latest_orders", currency=study.currency)))
    attributes = tuple((name, str(value)) for name, value in study.attributes.items() if str(value) not in ("", "nan"))
    if attributes:
        tables.append(Table((say("profile.attribute"), say("heads.value_of")), attributes, say("profile.attributes")))
    return Section("orders", say("profile.orders"), tuple(sentences), tables=tuple(tables))


def _buyer(study: UserStudy, say: Language) -> str:
    figures = study.behaviour
    orders = int(figures["num_orders"] or 0)
    if orders == 0:
        days = {"first": _day(study, "tenure_days"), "last": _day(study, "seen_days")}
        return say("profile.no_order", events=int(figures["num_events"] or 0), **days)
    worth = {"last": _day(study, "recency_days"), "value": figures["value"], "currency": study.currency}
    if orders == 1:
        return say("profile.one_order", **worth)
    first = _day(study, "first_order_days")
    return say("profile.buyer", orders=orders, first=first, each=figures["value_per_order"], **worth)


def _day(study: UserStudy, days_ago: str) -> str:
    return f"{study.now - pd.Timedelta(days=study.behaviour[days_ago] or 0.0):%Y-%m-%d}"


def _items_of(items: Sequence[str], say: Language) -> str:
    named = say.listed(cut(item) for item in items[:_ITEMS_OF_ORDER])
    more = len(items) - _ITEMS_OF_ORDER
    return say("profile.and_more", items=named, n=more) if more > 0 else named


def _outlook(study: UserStudy, say: Language) -> Section:
    sentences = []
    churn, value = study.churn, study.value
    if not isinstance(churn, Absent):
        sentences.append(
            say(
                "profile.churn", days=churn["horizon_days"], returns=churn["returns"], risk=say.name(churn["risk"]),
                orders=churn["expected_orders"],
            )
        )  # fmt: skip
        if churn["lacks_skill"]:
            sentences.append(say("profile.no_skill"))
    if not isinstance(value, Absent):
        figures = {
            "days": value["horizon_days"], "value": value["expected_value"], "currency": study.currency,
            "rank": value["rank"], "n": value["num_users"],
        }  # fmt: skip
        if math.isfinite(value["low"]):
            sentences.append(say("profile.value_interval", low=value["low"], high=value["high"], **figures))
        else:
            sentences.append(say("profile.value", **figures))
    reasons = {part.reason for part in (churn, value) if isinstance(part, Absent) and part.reason}
    sentences += [say("profile.absent", reason=reason) for reason in sorted(reasons)]
    rows = tuple(
        (row.name, f"{row.probability:.0%}", f"{row.last_days:.0f}")
        for row in study.due.itertuples(index=False)
        if row.probability >= 0.005
    )
    heads = (say("heads.item"), say("profile.chance"), say("profile.days_since"))
    tables = (Table(heads, rows, say("profile.due_caption"), say("profile.due")),) if rows else ()
    return Section("outlook", say("profile.outlook"), tuple(sentences), tables=tables)


def _interests(study: UserStudy, say: Language) -> Section:
    title, interests = say("profile.interests"), study.interests
    if isinstance(interests, Absent):
        return Section("interests", title, ())
    named = [
        (say("customers.categories_level", level=level + 1), rows) for level, rows in enumerate(interests["levels"])
    ]
    tables = [
        _interest_table(name, rows, say)
        for name, rows in [*named, (say("customers.items"), interests["items"])]
        if rows
    ]
    if study.by_content:
        rows = tuple((str(row["name"]), f"{row['score']:.2f}") for row in study.by_content)
        heads = (say("heads.name"), say("customers.content_similarity"))
        tables.append(Table(heads, rows, say("customers.content_similarity_meaning"), say("customers.by_content")))
    return Section("interests", title, (), tables=tuple(tables))


def _interest_table(title: str, rows: Sequence[Mapping[str, Any]], say: Language) -> Table:
    heads = (
        say("heads.name"),
        say("customers.interest"),
        say("customers.score"),
        say("customers.events"),
        say("customers.days_since"),
    )
    cells = tuple(
        (
            str(row["name"]),
            say.name(row["interest"]),
            f"{row['score']:.2f}",
            f"{row['num_events']:,}",
            f"{row['last_days']:.0f}",
        )
        for row in rows
    )
    return Table(heads, cells, say("customers.strongest_first_score_0_1"), title)


def _offers(study: UserStudy, say: Language) -> Section:
    rows = tuple(
        (row.offer, f"{row.effect:+.1%}", f"{row.profit:+,.2f}" if math.isfinite(row.profit) else "–")
        for row in study.offers.itertuples()
    )
    heads = (say("heads.offer"), say("profile.effect"), say("profile.profit", currency=study.currency))
    tables = (Table(heads, rows, say("profile.offers_caption")),) if rows else ()
    return Section("offers", say("profile.offers"), (), tables=tables)


def _tests(study: UserStudy, say: Language) -> Section:
    rows = tuple((row.name, row.arm or say("profile.not_in")) for row in study.experiments.itertuples(index=False))
    heads = (say("profile.experiment"), say("profile.arm"))
    tables = (Table(heads, rows, say("profile.experiments_caption")),) if rows else ()
    return Section("experiments", say("profile.experiments"), (), tables=tables)
