"""Holds the settings of the strategies as one checked value: the lines `[strategy.…]` of a TOML file."""

import dataclasses

from tfrec.errors import ConfigError
from tfrec.schema.inputs import OBJECTIVES


@dataclasses.dataclass(frozen=True)
class SlateConfig:
    """What holds for the slates of a signature where the request names nothing.

    Attributes:
        diversity: variety of the slate: 0 = by score alone, towards 1 = more categories.
        outside_cart_level: level of the category path, 1 = top, at which what is offered must be of another category
            than the cart's, the deepest if larger; 0 = no limit.
    """

    diversity: float = 0.0
    outside_cart_level: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.diversity <= 1:
            raise ConfigError(f"`diversity` must lie in [0, 1]; got {self.diversity}.")
        if self.outside_cart_level < 0:
            raise ConfigError(
                f"`outside_cart_level` must be 0 (no limit), 1 (top) or more; got {self.outside_cart_level}."
            )


@dataclasses.dataclass(frozen=True)
class UpsellConfig:
    """Settings of `upsell`.

    Attributes:
        min_price_ratio: cheapest price as a multiple of the anchor's, where the request names none: what is hardly
            dearer is another of the same kind, not a better one.
        max_price_ratio: dearest price as a multiple of the anchor's, where the request names none; few shoppers accept
            more than 2.5 times.
        objective: what the order maximises, where the request names nothing: `margin` (the probability that the item is
            taken times the profit that it has beyond the anchor's; prices stand in where the shop states no margin),
            `revenue` (the same of prices), `purchase` (the probability alone), or `incremental_margin` (margin, with
            the probability less that of a purchase without the offer).
        min_content_similarity: cosine of content from which an item can replace an anchor of unknown category.
        diversity: variety of the slate where the request names none, as in `SlateConfig`.
    """

    min_price_ratio: float = 1.1
    max_price_ratio: float = 2.5
    objective: str = "margin"
    min_content_similarity: float = 0.3
    diversity: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.diversity <= 1:
            raise ConfigError(f"`upsell.diversity` must lie in [0, 1]; got {self.diversity}.")
        if self.max_price_ratio <= 1:
            raise ConfigError(
                f"`upsell.max_price_ratio` must be above 1, as an upgrade is dearer; got {self.max_price_ratio}."
            )
        if not 1 <= self.min_price_ratio < self.max_price_ratio:
            raise ConfigError(
                "`upsell.min_price_ratio` must be at least 1 and below `max_price_ratio` "
                f"({self.max_price_ratio}); got {self.min_price_ratio}."
            )
        if self.objective not in OBJECTIVES:
            raise ConfigError(f"`upsell.objective` must be one of {', '.join(OBJECTIVES)}; got {self.objective!r}.")
        if not -1 <= self.min_content_similarity <= 1:
            raise ConfigError(
                f"`upsell.min_content_similarity` is a cosine, in [-1, 1]; got {self.min_content_similarity}."
            )


@dataclasses.dataclass(frozen=True)
class SimilarConfig:
    """Settings of `similar`: the weights of its score, and how many items are ranked by it.

    Attributes:
        embedding_weight: weight of the cosine of the candidate embeddings.
        content_weight: weight of the cosine of title, category and brand.
        same_category_bonus: what an item of the anchor's own leaf category gets on top.
        candidates: number of items that are kept by score before variety is sought, at least the request's k.
    """

    embedding_weight: float = 1.0
    content_weight: float = 1.0
    same_category_bonus: float = 1.0
    candidates: int = 100

    def __post_init__(self) -> None:
        for name in ("embedding_weight", "content_weight", "same_category_bonus"):
            if getattr(self, name) < 0:
                raise ConfigError(f"`similar.{name}` must not be negative; got {getattr(self, name)}.")
        if self.candidates < 1:
            raise ConfigError(f"`similar.candidates` must be at least 1; got {self.candidates}.")


@dataclasses.dataclass(frozen=True)
class VarietyConfig:
    """Settings of maximal marginal relevance, which requests ask for by `diversity`.

    Attributes:
        pool: number of best candidates among which variety is sought; the time grows with its square.
    """

    pool: int = 100

    def __post_init__(self) -> None:
        if self.pool < 1:
            raise ConfigError(f"`variety.pool` must be at least 1; got {self.pool}.")


@dataclasses.dataclass(frozen=True)
class ThresholdConfig:
    """Settings of `complete_cart` where the cart lacks an amount to a threshold, such as that of free shipping.

    Attributes:
        max_gap_ratio: dearest price that is put forward, of an item or of a set, as a multiple of what the cart lacks.
        max_items: most items of a set that together bring what the cart lacks, 4 at most; 1 = single items alone.
    """

    max_gap_ratio: float = 2.0
    max_items: int = 3

    def __post_init__(self) -> None:
        if not self.max_gap_ratio > 1:
            raise ConfigError(
                "`threshold.max_gap_ratio` must be above 1, as an item must bring what the cart lacks; "
                f"got {self.max_gap_ratio}."
            )
        if not 1 <= self.max_items <= 4:
            raise ConfigError(f"`threshold.max_items` must lie between 1 and 4; got {self.max_items}.")


@dataclasses.dataclass(frozen=True)
class ArrangeCartConfig:
    """Settings of `arrange_cart`.

    Attributes:
        objective: what the order maximises, where the request names nothing: `margin` (the probability that the
            complement of a line is taken times what its sale earns; prices stand in where the shop states no margin),
            `revenue` (the same of prices), `purchase` (the probability alone), or `incremental_margin` (margin, with
            the probability less that of a purchase without the offer).
    """

    objective: str = "margin"

    def __post_init__(self) -> None:
        if self.objective not in OBJECTIVES:
            raise ConfigError(
                f"`arrange_cart.objective` must be one of {', '.join(OBJECTIVES)}; got {self.objective!r}."
            )


@dataclasses.dataclass(frozen=True)
class PageConfig:
    """Settings of `page`.

    Attributes:
        places_by: objective by which each widget offers what is expected to earn most together, and its places go to
            the widget of the page whose offers do, where the request names nothing: `purchase`, `revenue`, `margin` or
            `incremental_margin`; "" = each widget has its own places and order.
    """

    places_by: str = ""

    def __post_init__(self) -> None:
        if self.places_by not in ("", *OBJECTIVES):
            raise ConfigError(
                f"`page.places_by` must be empty or one of {', '.join(OBJECTIVES)}; got {self.places_by!r}."
            )


@dataclasses.dataclass(frozen=True)
class FatigueConfig:
    """Settings of what was shown to a shopper and not clicked.

    Attributes:
        factor: what is left of the chance of a click after each showing, where the log of impressions cannot say; 1
            = showings change nothing.
    """

    factor: float = 0.8

    def __post_init__(self) -> None:
        if not 0 < self.factor <= 1:
            raise ConfigError(f"`fatigue.factor` must lie in (0, 1]; got {self.factor}.")


@dataclasses.dataclass(frozen=True)
class StrategyConfig:
    """Settings of all strategies. They change no weight: new ones are published without a training.

    Attributes:
        recommend: slates of `recommend`.
        cross_sell: slates of `cross_sell`.
        complete_cart: slates of `complete_cart`.
        upsell: dearer items in place of the one on the page.
        similar: items that can replace the one on the page.
        variety: re-ranking for variety.
        threshold: items that bring a cart to a threshold.
        arrange_cart: the order of a cart's lines.
        page: to which widgets the places of a page go.
        fatigue: items that were shown and not clicked.
    """

    recommend: SlateConfig = SlateConfig()
    cross_sell: SlateConfig = SlateConfig()
    complete_cart: SlateConfig = SlateConfig()
    upsell: UpsellConfig = UpsellConfig()
    similar: SimilarConfig = SimilarConfig()
    variety: VarietyConfig = VarietyConfig()
    threshold: ThresholdConfig = ThresholdConfig()
    arrange_cart: ArrangeCartConfig = ArrangeCartConfig()
    page: PageConfig = PageConfig()
    fatigue: FatigueConfig = FatigueConfig()

    def slates_of(self, signature: str) -> SlateConfig:
        """Returns what holds for the slates of a signature; no limit and no variety where it has no settings."""
        own = {"recommend": self.recommend, "cross_sell": self.cross_sell, "complete_cart": self.complete_cart}
        return SlateConfig(self.upsell.diversity) if signature == "upsell" else own.get(signature, SlateConfig())
