"""Draws what settings of the strategies trade: acceptance against variety, and against margin."""

from collections.abc import Mapping, Sequence

from tfrec.pages.blocks import Figure
from tfrec.pages.charts import TradeOff, trade_off_chart
from tfrec.report.words import Language
from tfrec.statistics.estimates import Estimate

_HEADS = {"distance": "strategies.distance", "margin": "strategies.margin"}


def trade_off_figure(settings: Mapping[str, Sequence[Mapping[str, Estimate]]], say: Language) -> Figure:
    """Returns two panels for each signature: acceptance against variety, and against margin.

    Args:
        settings: signature → the measures of each setting, first that in service; signatures without any are left out.
        say: language of the words.
    """
    panels = [
        TradeOff(
            title=signature,
            x=[one[name].value for one in tried],
            y=[one["acceptance"].value for one in tried],
            lows=[one["acceptance"].low for one in tried],
            highs=[one["acceptance"].high for one in tried],
            x_label=say(_HEADS[name]),
            y_label=say("strategies.acceptance"),
        )
        for signature, tried in settings.items()
        if tried
        for name in _HEADS
    ]
    svg = trade_off_chart(panels, alternative=say("strategies.alternative"))
    return Figure(svg, say("strategies.caption"), say("strategies.trade"))
