"""Finds the moments that part training, validation and test; a log without time gets a clock first."""

import dataclasses

import ibis
import ibis.expr.types as ir
import pandas as pd

from tfrec.errors import RecipeError
from tfrec.ingest.timestamps import moment_in_utc

_CLOCK_START = pd.Timestamp("2000-01-01")
_CLOCK_SECONDS = 365 * 86_400


@dataclasses.dataclass(frozen=True)
class Split:
    """Where the test period starts, and before it the validation period.

    A date is midnight on the shop's clock. A share is of the events (of the orders where the log has no time).

    Attributes:
        test_from: first moment of the test period, or empty.
        validation_from: first moment of the validation period, which is part of training, or empty.
        test_share: share that is test where `test_from` is empty.
        validation_share: share of what is left that is validation where `validation_from` is empty.
        seed: of the clock that a log without time gets.
    """

    test_from: str = ""
    validation_from: str = ""
    test_share: float = 0.1
    validation_share: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        for name, share in (("test_share", self.test_share), ("validation_share", self.validation_share)):
            if not 0 < share < 1:
                raise RecipeError(f"{name} must lie between 0 and 1; got {share}.")
        moments = [moment_in_utc(text, time_zone="UTC") for text in (self.validation_from, self.test_from) if text]
        if len(moments) == 2 and not moments[0] < moments[1]:
            raise RecipeError(
                f"validation_from ({self.validation_from}) must come before test_from ({self.test_from})."
            )


@dataclasses.dataclass(frozen=True)
class Moments:
    """Two moments in UTC: training is all before `test_from`; validation its part from `validation_from` on."""

    validation_from: pd.Timestamp
    test_from: pd.Timestamp


@ibis.udf.scalar.builtin
def md5(text: str) -> str:  # type: ignore[empty-body]
    """DuckDB: hexadecimal digest."""


def add_clock(events: ir.Table, split: Split) -> ir.Table:
    """Returns the events of a log without time with a `timestamp`: a moment of 2000 by the order's seeded hash.

    The moment depends on the order alone, so that the split is random, repeatable, and the same when orders are added;
    all that is told from time (recency, trend) is then noise without meaning.
    """
    digest = md5(ibis.literal(f"{split.seed}/") + events["order_id"])
    share = ("0x" + digest.substr(0, 12)).cast("uint64").cast("float64") / float(16**12)
    seconds = (share * _CLOCK_SECONDS).floor().cast("int64")
    return events.mutate(timestamp=ibis.literal(_CLOCK_START).cast("timestamp") + seconds.as_interval("s"))


def find_moments(
    timestamps: pd.Series, split: Split, *, until: pd.Timestamp | None, time_zone: str, has_time: bool = True
) -> Moments:
    """Returns the moments of the split.

    With `until`, nothing from that moment on is looked at: it becomes `test_from`, and the validation period keeps its
    length where the recipe gives both dates.

    Args:
        timestamps: of all good events, UTC.
        split: the recipe's wish.
        until: end of training in UTC, or None.
        time_zone: of the dates in `split`.
        has_time: False for a log on the clock of `add_clock`, where shares are of that year.

    Raises:
        RecipeError: no event lies before the test period or before the validation period.
    """
    named_test = moment_in_utc(split.test_from, time_zone=time_zone) if split.test_from else None
    named_validation = moment_in_utc(split.validation_from, time_zone=time_zone) if split.validation_from else None
    if until is not None:
        test_from = until
        if named_validation is not None and named_test is not None:
            named_validation = until - (named_test - named_validation)
        elif named_validation is not None and named_validation >= until:
            named_validation = None
    elif named_test is not None:
        test_from = named_test
    elif has_time:
        test_from = _at_share(timestamps, 1 - split.test_share)
    else:
        test_from = _on_clock(1 - split.test_share)
    training = timestamps[timestamps < test_from]
    if training.empty:
        raise RecipeError(
            f"No event lies before {test_from}, where the test period starts (the log runs from {timestamps.min()} to "
            f"{timestamps.max()}). Correct `[split] test_from` or --until."
        )
    if named_validation is not None:
        validation_from = named_validation
    elif has_time:
        validation_from = _at_share(training, 1 - split.validation_share)
    else:
        validation_from = _on_clock((1 - split.test_share) * (1 - split.validation_share))
    return Moments(validation_from=validation_from, test_from=test_from)


def _at_share(timestamps: pd.Series, share: float) -> pd.Timestamp:
    return timestamps.quantile(share, interpolation="higher").ceil("s").as_unit("us")


def _on_clock(share: float) -> pd.Timestamp:
    return (_CLOCK_START + pd.Timedelta(seconds=int(share * _CLOCK_SECONDS))).as_unit("us")
