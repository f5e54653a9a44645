"""Renders one user's interests as a self-contained HTML page."""

from collections.abc import Mapping, Sequence
from typing import Any

from tfrec.pages.blocks import Section, Table
from tfrec.pages.render import render_page
from tfrec.report.words import Language


def profile_page(profile: Mapping[str, Any], say: Language, *, facts: Mapping[str, str] | None = None) -> str:
    """Returns a profile as one page, light or dark as the reader's system is.

    Args:
        profile: as `Interests.profile` gives it; with `by_content`, as `items_for` gives it, where there is any.
        say: language.
        facts: further lines about the user, name → text: segment, recency, value.
    """
    user = str(profile["user_id"])
    about = {
        say("customers.events"): f"{profile['num_events']:,}",
        say("customers.until"): str(profile["now"])[:10],
        **(facts or {}),
    }
    parts = [(say("customers.categories_level", level=level + 1), rows) for level, rows in enumerate(profile["levels"])]
    sections = [
        Section(f"part-{number}", title, (), tables=(_table(rows, say),))
        for number, (title, rows) in enumerate([*parts, (say("customers.items"), profile["items"])])
        if rows
    ]
    if profile.get("by_content"):
        cells = tuple((str(row["name"]), f"{row['score']:.2f}") for row in profile["by_content"])
        heads = (say("heads.name"), say("customers.content_similarity"))
        offers = Table(heads, cells, say("customers.content_similarity_meaning"))
        sections.append(Section("by-content", say("customers.by_content"), (), tables=(offers,)))
    return render_page(
        language=say.browser_code,
        title=say("customers.profile", user=user),
        subtitle=" · ".join(f"{name}: {text}" for name, text in about.items()),
        sections=sections,
    )


def _table(rows: Sequence[Mapping[str, Any]], say: Language) -> Table:
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
    return Table(heads, cells, say("customers.strongest_first_score_0_1"))
