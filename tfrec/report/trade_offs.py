"""Draws what settings of the strategies trade: acceptance against variety, and against margin."""

from collections.abc import Mapping, Sequence

from tfrec.pages.blocks import Figure
from tfrec.pages.charts import TradeOff, trade_off_chart
from tfrec.statistics.estimates import Estimate

_AXES = {"distance": "mean distance of two items of a slate", "margin": "margin a session or order"}


def trade_off_figure(settings: Mapping[str, Sequence[Mapping[str, Estimate]]]) -> Figure:
    """Returns two panels for each signature: acceptance against variety, and against margin.

    Args:
        settings: signature → the measures of each setting, first that in service; signatures without any are left out.
    """
    panels = [
        TradeOff(
            title=signature,
            x=[one[name].value for one in tried],
            y=[one["acceptance"].value for one in tried],
            lows=[one["acceptance"].low for one in tried],
            highs=[one["acceptance"].high for one in tried],
            x_label=label,
            y_label="acceptance",
        )
        for signature, tried in settings.items()
        if tried
        for name, label in _AXES.items()
    ]
    caption = (
        "Each point is a setting; 0, set off, is that in service. The line joins those that no other beats in both; "
        "numbers are those of the table, whiskers are 95 % intervals. Validation period."
    )
    svg = trade_off_chart(panels, alternative="acceptance against variety and margin")
    return Figure(svg, caption, "What settings of the strategies trade")
