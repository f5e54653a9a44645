"""Renders the page on a preparation: ledger, events, long tail, prices, missing values, changes."""

import itertools

import numpy as np
import pandas as pd

import tfrec
from tfrec.pages.blocks import Figure, Section, Table
from tfrec.pages.charts import bar_chart, line_chart
from tfrec.pages.render import render_page
from tfrec.report.preparation_study import Change, PreparationStudy
from tfrec.report.words import Language

_NUM_REASONS = 10
_NUM_TYPES = 3  # lines of one picture
_DAYS = 120  # more are drawn as weeks
_NUM_MISSING = 20


def preparation_page(study: PreparationStudy, say: Language) -> str:
    """Returns the page as HTML, light or dark as the reader's system is.

    Raises:
        EnvironmentSetupError: Jinja2 or matplotlib is not installed.
    """
    about = study.manifest
    return render_page(
        language=say.browser_code,
        title=say("preparation.title", shop=about.recipe),
        subtitle=about.description,
        contents=say("preparation.contents"),
        sections=[
            _ledger(study, say),
            *_notes(study, say),
            _change(study, say),
            _days(study, say),
            _tails(study, say),
            _prices(study, say),
            _missing(study, say),
        ],
        colophon=say(
            "preparation.colophon",
            version=tfrec.__version__,
            mark=about.fingerprint[:12],
            currency=about.currency or "–",
            zone=about.time_zone,
        ),
    )


def _ledger(study: PreparationStudy, say: Language) -> Section:
    about = study.manifest
    rejected = sum(about.rejected.values())
    sentences = [
        say("preparation.adds_up", rows=about.rows, kept=about.kept, rejected=rejected, share=rejected / about.rows),
        say(
            "preparation.split",
            train=about.train_events,
            orders=about.train_orders,
            users=about.users,
            items=about.items,
            moment=about.calendar.moment_text(about.test_from),
            test=about.test_events,
        ),
    ]
    if about.catalogue_rejected:
        sentences.append(say("preparation.catalogue", rows=sum(about.catalogue_rejected.values())))
    if about.incomplete:
        sentences.append(say("preparation.incomplete", rows=sum(about.incomplete.values())))
    if about.scrubbed:
        rows, kinds = sum(about.scrubbed.values()), say.listed(about.scrubbed)
        sentences.append(say("preparation.scrubbed", rows=rows, kinds=kinds))
    if about.robots:
        sentences.append(say("preparation.robots", n=about.robots))
    return Section(
        "ledger",
        say("preparation.ledger"),
        tuple(sentences),
        figures=_reasons_figure(study, say),
        tables=_reasons_table(study, say),
    )


def _notes(study: PreparationStudy, say: Language) -> list[Section]:
    """Returns what the owner of the log should check; the texts are those of `tfrec prepare`, in English."""
    texts = tuple(note.text for note in study.manifest.notes)
    return [Section("notes", say("preparation.notes"), texts)] if texts else []


def _reasons_figure(study: PreparationStudy, say: Language) -> tuple[Figure, ...]:
    reasons = study.ledger.groupby("reason")["rows"].sum().sort_values(ascending=False)
    if not len(reasons):
        return ()
    shown = reasons.head(_NUM_REASONS)
    svg = bar_chart([*shown.index], [*shown], label=say("preparation.rows"))
    caption = say("preparation.set_aside_by_reason", n=int(reasons.sum()))
    return (Figure(svg, caption, say("preparation.set_aside")),)


def _reasons_table(study: PreparationStudy, say: Language) -> tuple[Table, ...]:
    ledger, change = study.ledger, study.change
    if not len(ledger):
        return ()
    heads = [say("preparation.reason"), say("preparation.table"), say("preparation.rows")]
    rows = [
        [row.reason, row.table, f"{row.rows:,}", say("preparation.first_row", file=row.file, row=row.row)]
        for row in ledger.itertuples()
    ]
    if change is not None:
        heads.append(say("preparation.rows_before"))
        earlier = {**change.before.catalogue_rejected, **change.before.rejected}
        for row in rows:
            row.insert(3, f"{earlier.get(row[0], 0):,}")
    heads.append(say("preparation.first"))
    caption = say("preparation.set_aside_by_reason", n=int(ledger["rows"].sum()))
    return (Table(tuple(heads), tuple(map(tuple, rows)), caption),)


def _days(study: PreparationStudy, say: Language) -> Section:
    number = sum(study.types.values())
    rows = tuple((say.name(name), f"{count:,}", f"{count / number:.1%}") for name, count in study.types.items())
    heads = (say("preparation.type"), say("preparation.events"), say("preparation.share"))
    tables = (Table(heads, rows, say("preparation.types_caption", n=number)),)
    title = say("preparation.days")
    if not study.manifest.has_time or len(study.days["day"].unique()) < 2:
        sentences = () if study.manifest.has_time else (say("preparation.no_days"),)
        return Section("days", title, sentences, tables=tables)
    top = [*study.types][:_NUM_TYPES]
    counts = study.days.pivot_table(index="day", columns="event_type", values="events", fill_value=0)[top]
    counts.index = pd.DatetimeIndex(counts.index)
    counts = counts.reindex(pd.date_range(counts.index[0], counts.index[-1]), fill_value=0)
    label = say("preparation.events_per_day")
    if len(counts) > _DAYS:
        counts, label = counts.resample("7D").sum(), say("preparation.events_per_week")
    lines = [(say.name(name), counts[name].to_numpy(np.float64)) for name in top]
    svg = line_chart(counts.index.to_numpy("datetime64[s]"), lines, label=label)
    return Section("days", title, (), (Figure(svg, say("preparation.days_caption", n=number), title),), tables)


def _tails(study: PreparationStudy, say: Language) -> Section:
    title = say("preparation.tails")
    tails = {name: shares for name, shares in study.tails.items() if len(shares)}
    tenth = {name: shares[10] for name, shares in tails.items()}
    words = {"items": say("preparation.items"), "users": say("preparation.users")}
    sentence = (
        say("preparation.tail_sentence", **tenth)
        if len(tenth) == len(words)
        else say("preparation.tail_of_items", items=tenth.get("items", 0.0))
    )
    svg = line_chart(
        np.linspace(0, 1, 101),
        [(words[name], shares) for name, shares in tails.items()],
        label=say("preparation.share_events"),
        x_label=say("preparation.most_active"),
        form="{:.0%}",
        x_form="{:.0%}",
    )
    return Section("tails", title, (sentence,), (Figure(svg, say("preparation.tails_caption"), title),))


def _prices(study: PreparationStudy, say: Language) -> Section:
    title, prices = say("preparation.prices"), study.prices
    if not len(prices):
        return Section("prices", title, (say("preparation.no_prices"),), is_absent=True)
    edges = _edges(prices)
    counts, _ = np.histogram(prices, edges)
    labels = [f"{low:,g} – {high:,g}" for low, high in itertools.pairwise(edges)]
    svg = bar_chart(labels, counts.astype(np.float64), label=say("preparation.items_by_price"))
    caption = say("preparation.prices_caption", n=len(prices), median=float(np.median(prices)))
    return Section("prices", title, (), (Figure(svg, caption, title),))


def _edges(prices: np.ndarray) -> np.ndarray:
    """Returns steps of 1, 2 and 5 times powers of ten around the middle 98 %, the outer ones as far as prices go."""
    low, high = np.quantile(prices, [0.01, 0.99])
    powers = np.arange(np.floor(np.log10(low)), np.ceil(np.log10(high)) + 1)
    steps = np.sort(np.concatenate([factor * 10.0**powers for factor in (1, 2, 5)]))
    inner = steps[(steps > low) & (steps < high)]
    ends = [float(f"{prices.min():.3g}"), float(f"{prices.max():.3g}")]
    edges = np.unique(np.concatenate([inner, ends]))
    edges[0], edges[-1] = min(edges[0], prices.min()), max(edges[-1], prices.max())
    return edges if len(edges) > 1 else np.array([edges[0], np.nextafter(edges[0], np.inf)])


def _missing(study: PreparationStudy, say: Language) -> Section:
    title, missing = say("preparation.missing"), study.missing
    if not len(missing):
        return Section("missing", title, (say("preparation.missing_none"),))
    rows = tuple(
        (f"{row.table}.{row.column}", f"{row.missing:,}", f"{row.missing / row.rows:.1%}")
        for row in missing.head(_NUM_MISSING).itertuples()
    )
    heads = (say("preparation.column"), say("preparation.missing_rows"), say("preparation.share"))
    return Section("missing", title, (), tables=(Table(heads, rows, say("preparation.missing_caption")),))


def _change(study: PreparationStudy, say: Language) -> Section:
    title, change = say("preparation.change"), study.change
    if change is None:
        return Section("change", title, (say("preparation.change_none"),), is_absent=True)
    sentences = [say("preparation.change_items", new=change.new_items, lost=change.lost_items)]
    if change.new_items:
        sentences.append(say("preparation.change_new", names=say.listed(change.examples_new)))
    if change.lost_items:
        sentences.append(say("preparation.change_lost", names=say.listed(change.examples_lost)))
    sentences.append(
        say("preparation.change_prices", n=change.shifted, ratio=change.median_ratio - 1)
        if change.shifted
        else say("preparation.change_no_prices")
    )
    return Section("change", title, tuple(sentences), tables=(_counts_table(study, change, say), *_shifts(study, say)))


def _counts_table(study: PreparationStudy, change: Change, say: Language) -> Table:
    now, old = study.manifest, change.before
    counts = (
        (say("preparation.rows_read"), now.rows, old.rows),
        (say("preparation.rows_kept"), now.kept, old.kept),
        (say("preparation.rows_set_aside"), sum(now.rejected.values()), sum(old.rejected.values())),
        (say("preparation.training_events"), now.train_events, old.train_events),
        (say("preparation.training_orders"), now.train_orders, old.train_orders),
        (say("preparation.test_events"), now.test_events, old.test_events),
        (say("preparation.users"), now.users, old.users),
        (say("preparation.items"), now.items, old.items),
    )
    heads = (
        say("preparation.figure"), say("preparation.now"), say("preparation.rows_before"),
        say("preparation.difference"),
    )  # fmt: skip
    rows = tuple((name, f"{new:,}", f"{before:,}", f"{new - before:+,}") for name, new, before in counts)
    return Table(heads, rows, say("preparation.change_caption"))


def _shifts(study: PreparationStudy, say: Language) -> tuple[Table, ...]:
    if study.change is None or not study.change.shifted:
        return ()
    rows = tuple(
        (row.item, f"{row.new:,.2f}", f"{row.old:,.2f}", f"{row.new / row.old - 1:+.0%}")
        for row in study.change.shifts.itertuples()
    )
    heads = (
        say("preparation.item"), say("preparation.now"), say("preparation.rows_before"), say("preparation.difference"),
    )  # fmt: skip
    caption = say("preparation.shifts_caption", currency=study.manifest.currency or "–")
    return (Table(heads, rows, caption, say("preparation.shifts")),)
