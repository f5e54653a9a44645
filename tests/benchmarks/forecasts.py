"""Prints how the forecasts of Online Retail do against the seasonal naive one, on origins 28 days apart.

`python -m tests.benchmarks.forecasts`
"""

import time

from tests.benchmarks.whole_shop import data_home, read_whole_shop
from tfrec.analysis.forecasts import forecast_demand


def main() -> None:
    tables = read_whole_shop("online_retail", data_home())
    start = time.perf_counter()
    found = forecast_demand(tables)
    print(f"Online Retail, 28 days: {len(found.totals):,} series in {time.perf_counter() - start:.1f} s")
    for row in found.backtest.itertuples():
        print(
            f"{row.level} ({row.num_series:,} series, {row.num_origins} origins): "
            f"WAPE of days {row.wape:.3f}, seasonal naive {row.naive_wape:.3f}, gain {row.gain:.1%} "
            f"(95 % interval {row.gain_low:.1%} to {row.gain_high:.1%}); "
            f"WAPE of 28-day sums {row.total_wape:.3f}, naive {row.total_naive_wape:.3f}, gain {row.total_gain:.1%} "
            f"(95 % interval {row.total_gain_low:.1%} to {row.total_gain_high:.1%}); "
            f"intervals meant for {row.nominal:.0%} held {row.coverage:.1%} of {row.num_days:,} days "
            f"and {row.total_coverage:.1%} of {row.num_totals:,} sums"
        )
    print(f"chosen: {dict(found.choice)}")


if __name__ == "__main__":
    main()
