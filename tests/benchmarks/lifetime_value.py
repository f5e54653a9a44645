"""Prints how lifetime values fare on 90 days held out, on Online Retail and on generated shops like CDNOW's.

`python -m tests.benchmarks.lifetime_value`
"""

import time
from collections.abc import Iterator

import numpy as np
import pandas as pd

from tests.benchmarks.whole_shop import data_home, read_whole_shop
from tests.buyers import buyers_who_leave
from tfrec.analysis.lifetime_value import predict_value
from tfrec.analysis.repurchase import predict_churn
from tfrec.schema.tables import Tables

HORIZON = 90.0
DRAWS = 10


def shops() -> Iterator[tuple[str, Tables, pd.Timestamp | None]]:
    """Yields name, shop and the end of what is known: Online Retail at three ends, ten shops of either law."""
    retail = read_whole_shop("online_retail", data_home())
    end = retail.events["timestamp"].max()
    for back in (0, 45, 90):
        yield (
            f"Online Retail, held out until {end - pd.Timedelta(days=back):%Y-%m-%d}",
            retail,
            (end - pd.Timedelta(days=back)),
        )
    for first in (True, False):
        law = "MBG/NBD" if first else "BG/NBD, which the model has not"
        for seed in range(DRAWS):
            tables, _ = buyers_who_leave(num=4_000, weeks=78, seed=seed, first_may_be_last=first)
            yield f"like CDNOW ({law}), shop {seed}", tables, None


def main() -> None:
    """Prints the figures."""
    errors = []
    for name, tables, now in shops():
        start = time.perf_counter()
        values = predict_value(tables, now=now, horizon_days=HORIZON)
        check = values.holdout
        assert check is not None
        print(
            f"{name}: {values.model}; predicted {check.predicted:,.0f} ({check.low:,.0f} to {check.high:,.0f}), came "
            f"{check.actual:,.0f} ({check.error:+.1%}); rank correlation {check.rank_correlation:.3f}, RFM "
            f"{check.rfm_rank_correlation:.3f}; error a buyer {check.mean_absolute_error:,.2f}, going on as before "
            f"{check.naive_absolute_error:,.2f}; {check.coverage:.0%} of buyers in 80 % intervals; "
            f"{time.perf_counter() - start:.1f} s",
            flush=True,
        )
        if name.startswith("like"):
            errors.append(abs(check.error))
        elif now is not None:
            churn = predict_churn(tables, now=now, horizon_days=HORIZON).holdout
            assert churn is not None
            print(f"  an order at all: Brier {churn.brier:.3f} against {churn.naive_brier:.3f} without a model")
    print(f"like CDNOW, {len(errors)} shops: error of the total {np.mean(errors):.1%}, at most {max(errors):.1%}")


if __name__ == "__main__":
    main()
