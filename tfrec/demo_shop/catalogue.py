"""Generates the catalogue: category tree, items with tier, style and price, and the true relations of items."""

import dataclasses

import numpy as np
import pandas as pd

from tfrec.demo_shop.config import DemoShopConfig
from tfrec.demo_shop.pictures import NUM_STYLES, draw_pictures, fashion_pictures
from tfrec.schema.category_paths import CATEGORY_SEPARATOR

TIERS = ("good", "better", "best")
LEAVES_PER_MISSION = 5

_TIER_PRICE = np.array([1.0, 1.6, 2.6])
_TIER_SHARE = (0.45, 0.35, 0.20)
_TIER_WORD = (("",), ("Plus", "Comfort"), ("Pro", "Premium"))
_SERIES = "ABCDEFGHKLMNPRSTVX"

# Top > middle > leaf, singular noun, price in EUR of the good tier, margin, days until used up (0: durable).
# Five neighbouring rows are a mission: what a shopper visits within one intention.
_LEAVES: tuple[tuple[str, str, str, str, float, float, int], ...] = (
    ("Electronics", "Cameras", "Compact cameras", "Compact Camera", 180, 0.18, 0),
    ("Electronics", "Cameras", "Mirrorless cameras", "Mirrorless Camera", 520, 0.16, 0),
    ("Electronics", "Camera accessories", "Memory cards", "Memory Card", 18, 0.35, 60),
    ("Electronics", "Camera accessories", "Camera bags", "Camera Bag", 35, 0.45, 0),
    ("Electronics", "Camera accessories", "Tripods", "Tripod", 45, 0.40, 0),
    ("Computing", "Computers", "Laptops", "Laptop", 560, 0.12, 0),
    ("Computing", "Peripherals", "Computer mice", "Wireless Mouse", 19, 0.40, 0),
    ("Computing", "Peripherals", "Laptop sleeves", "Laptop Sleeve", 22, 0.50, 0),
    ("Computing", "Printing", "Printers", "Printer", 95, 0.10, 0),
    ("Computing", "Printing", "Ink cartridges", "Ink Cartridge", 16, 0.55, 35),
    ("Kitchen", "Coffee", "Coffee machines", "Coffee Machine", 110, 0.22, 0),
    ("Kitchen", "Coffee", "Coffee beans", "Coffee Beans", 11, 0.35, 24),
    ("Kitchen", "Coffee", "Mugs", "Mug", 7, 0.60, 0),
    ("Kitchen", "Cookware", "Frying pans", "Frying Pan", 29, 0.42, 0),
    ("Kitchen", "Cookware", "Kitchen knives", "Kitchen Knife", 24, 0.48, 0),
    ("Home", "Lighting", "Table lamps", "Table Lamp", 38, 0.48, 0),
    ("Home", "Lighting", "Light bulbs", "Light Bulb", 6, 0.50, 50),
    ("Home", "Decoration", "Candles", "Candle", 8, 0.62, 30),
    ("Home", "Decoration", "Cushions", "Cushion", 17, 0.58, 0),
    ("Home", "Decoration", "Blankets", "Blanket", 32, 0.52, 0),
    ("Clothing", "Tops", "T-shirts", "T-Shirt", 14, 0.60, 0),
    ("Clothing", "Tops", "Sweaters", "Sweater", 36, 0.58, 0),
    ("Clothing", "Bottoms", "Jeans", "Jeans", 45, 0.55, 0),
    ("Clothing", "Dresses and coats", "Dresses", "Dress", 42, 0.60, 0),
    ("Clothing", "Dresses and coats", "Coats", "Coat", 85, 0.55, 0),
    ("Sports", "Shoes", "Sneakers", "Sneakers", 58, 0.48, 0),
    ("Sports", "Shoes", "Ankle boots", "Ankle Boots", 75, 0.48, 0),
    ("Sports", "Training", "Running socks", "Running Socks", 9, 0.58, 55),
    ("Sports", "Training", "Water bottles", "Water Bottle", 13, 0.52, 0),
    ("Sports", "Training", "Yoga mats", "Yoga Mat", 24, 0.50, 0),
    ("Toys", "Construction", "Building sets", "Building Set", 28, 0.42, 0),
    ("Toys", "Games", "Board games", "Board Game", 26, 0.45, 0),
    ("Toys", "Games", "Puzzles", "Puzzle", 12, 0.50, 0),
    ("Electronics", "Audio", "Headphones", "Headphones", 48, 0.32, 0),
    ("Electronics", "Audio", "Speakers", "Speaker", 62, 0.30, 0),
    ("Beauty", "Skin care", "Face creams", "Face Cream", 15, 0.65, 40),
    ("Beauty", "Hair care", "Shampoos", "Shampoo", 7, 0.55, 32),
    ("Beauty", "Hair care", "Hair dryers", "Hair Dryer", 32, 0.38, 0),
    ("Pets", "Dogs", "Dog food", "Dog Food", 19, 0.28, 21),
    ("Pets", "Dogs", "Dog beds", "Dog Bed", 34, 0.50, 0),
)
LEAVES = tuple(CATEGORY_SEPARATOR.join(row[:3]) for row in _LEAVES)
"""Whole category paths of the leaf categories; a leaf's code is its position."""

LEAF_WORDS = tuple(row[2] for row in _LEAVES)
LEAF_NOUNS = tuple(row[3] for row in _LEAVES)
DEPARTMENTS = tuple(dict.fromkeys(row[0] for row in _LEAVES))
DEPARTMENT_OF_LEAF = np.array([DEPARTMENTS.index(row[0]) for row in _LEAVES])
DAYS_OF_SUPPLY = np.array([row[6] for row in _LEAVES], dtype=float)
MISSION_OF_LEAF = np.arange(len(LEAVES)) // LEAVES_PER_MISSION
MISSIONS = ("photo trip", "home office", "kitchen", "cosy home", "wardrobe", "sport", "play and sound", "care and pets")

# Who buys the first in one order also takes one of the second, with this probability. Never the other way round.
_COMPLEMENT_EDGES: tuple[tuple[str, str, float], ...] = (
    ("Compact cameras", "Memory cards", 0.60),
    ("Compact cameras", "Camera bags", 0.35),
    ("Mirrorless cameras", "Memory cards", 0.55),
    ("Mirrorless cameras", "Tripods", 0.35),
    ("Mirrorless cameras", "Camera bags", 0.30),
    ("Laptops", "Computer mice", 0.45),
    ("Laptops", "Laptop sleeves", 0.45),
    ("Laptops", "Headphones", 0.20),
    ("Printers", "Ink cartridges", 0.65),
    ("Coffee machines", "Coffee beans", 0.60),
    ("Coffee machines", "Mugs", 0.35),
    ("Frying pans", "Kitchen knives", 0.30),
    ("Table lamps", "Light bulbs", 0.60),
    ("Cushions", "Blankets", 0.35),
    ("Blankets", "Candles", 0.35),
    ("T-shirts", "Jeans", 0.30),
    ("Sweaters", "Jeans", 0.25),
    ("Jeans", "Sneakers", 0.25),
    ("Dresses", "Coats", 0.20),
    ("Dresses", "Ankle boots", 0.30),
    ("Coats", "Ankle boots", 0.25),
    ("Sneakers", "Running socks", 0.50),
    ("Yoga mats", "Water bottles", 0.45),
    ("Building sets", "Board games", 0.25),
    ("Board games", "Puzzles", 0.30),
    ("Hair dryers", "Shampoos", 0.40),
    ("Shampoos", "Face creams", 0.25),
    ("Dog beds", "Dog food", 0.50),
)
NUM_COMPLEMENTS = 3
"""Concrete items a complement edge leads to from each item."""
_COMPLEMENT_SHARE = np.array([0.6, 0.3, 0.1])
_NUM_RELATED = 20  # substitutes and upgrades written for each item

_BRANDS: dict[str, tuple[str, ...]] = {
    "Electronics": ("Lumina", "Optivo", "Kestrel", "Novatek", "Halden"),
    "Computing": ("Brightbyte", "Corevo", "Halden", "Tessera", "Plinth"),
    "Kitchen": ("Maison Fer", "Aromio", "Copperleaf", "Tavola", "Nordkok"),
    "Home": ("Hyggelund", "Lindqvist", "Sablewood", "Casa Mira", "Tavola"),
    "Clothing": ("Fjordline", "Marlowe", "Cottonby", "Rue Neuve", "Tidewater"),
    "Sports": ("Stride", "Peakform", "Tidewater", "Velo Nord", "Kinetica"),
    "Toys": ("Brickfox", "Ludovia", "Merrybox", "Tinkerton", "Plinth"),
    "Beauty": ("Alba Rosa", "Dermalis", "Fleur Vive", "Nordsee", "Purelle"),
    "Pets": ("Waggle", "Barkley", "Pawsome", "Hundeglueck", "Fellow"),
}
BRANDS = tuple(dict.fromkeys(brand for brands in _BRANDS.values() for brand in brands))


@dataclasses.dataclass(frozen=True)
class Catalogue:
    """All items of the shop, with what only the generator knows of them; arrays `[N]` by item code.

    Attributes:
        ids: item ids.
        titles: unique titles.
        leaf: code in `LEAVES`.
        tier: 0 good, 1 better, 2 best.
        style: latent style, visible in the picture only.
        appeal: latent appeal, about standard normal; visible (with noise) as the picture's shade.
        brand: code in `BRANDS`.
        price: list price, EUR.
        margin: share of the price.
        stock: pieces; 0 where `gone_day` lies before the split.
        trend: slope of the log popularity over the whole period.
        available_day: first day of sale since the start of the log; 0 = from the start.
        gone_day: day from which the item is sold out; infinite for all but a few.
        picture: row in `images`, -1 = none.
        images: `[P, 28, 28]` uint8.
        edges: `[E, 2]` complement edges between leaves (from, to).
        edge_strength: `[E]` probability that the edge is followed.
        partners: `[E, N, NUM_COMPLEMENTS]` item codes that complete an item along an edge; -1 where none.
    """

    ids: np.ndarray
    titles: np.ndarray
    leaf: np.ndarray
    tier: np.ndarray
    style: np.ndarray
    appeal: np.ndarray
    brand: np.ndarray
    price: np.ndarray
    margin: np.ndarray
    stock: np.ndarray
    trend: np.ndarray
    available_day: np.ndarray
    gone_day: np.ndarray
    picture: np.ndarray
    images: np.ndarray
    edges: np.ndarray
    edge_strength: np.ndarray
    partners: np.ndarray

    def __len__(self) -> int:
        """Returns the number of items, N."""
        return len(self.ids)

    def is_cold(self, config: DemoShopConfig) -> np.ndarray:
        """Returns `[N]` bool: on sale only after the split."""
        return self.available_day >= config.split_day

    def is_sold(self, items: np.ndarray, day: np.ndarray) -> np.ndarray:
        """Returns whether items are on sale on days; `[n]` codes and `[n]` days, or shapes that broadcast."""
        return (day >= self.available_day[items]) & (day < self.gone_day[items])

    def raw_items(self, config: DemoShopConfig) -> pd.DataFrame:
        """Returns the table as the shop's catalogue export has it."""
        dates = pd.Series(np.datetime_as_string(config.as_time(np.floor(self.available_day)), unit="D"))
        return pd.DataFrame(
            {
                "product": self.ids,
                "name": self.titles,
                "category": np.array(LEAVES)[self.leaf],
                "brand": np.array(BRANDS)[self.brand],
                "price": self.price,
                "margin": self.margin,
                "stock": self.stock,
                "available_from": dates.where(self.available_day > 0, ""),
                "picture": self.picture,
            }
        )


def build_catalogue(config: DemoShopConfig) -> Catalogue:
    """Draws all items, their pictures and their relations.

    New collections (late and cold items) come to every third leaf only, so that within such a leaf a shopper chooses
    among many new items, where category, brand and price say little and the picture says much.

    Raises:
        SourceError: `config.fashion_mnist` lacks the picture files.
    """
    rng = config.generator("catalogue")
    N = config.num_items
    leaf = np.sort(_spread(N, len(LEAVES), rng))
    tier = rng.choice(len(TIERS), N, p=_TIER_SHARE)
    if config.fashion_mnist is None:
        style = rng.integers(NUM_STYLES, size=N)
        appeal = rng.normal(size=N)
        images = draw_pictures(np.array(LEAF_WORDS)[leaf], style=style, appeal=appeal, tier=tier, rng=rng)
    else:
        images, style, appeal = fashion_pictures(config.fashion_mnist, leaf=leaf, rng=rng)
    brand = _draw_brands(leaf, rng)
    base = np.array([row[4] for row in _LEAVES])[leaf]
    price = _charm(base * _TIER_PRICE[tier] * np.exp(rng.normal(0, 0.08, N)))
    margin = np.clip(np.array([row[5] for row in _LEAVES])[leaf] + rng.normal(0, 0.04, N), 0.03, 0.85).round(3)
    available_day = _draw_arrivals(config, leaf, rng)
    gone_day = np.full(N, np.inf)
    gone = rng.choice(np.flatnonzero(available_day == 0), max(1, N * 3 // 100), replace=False)
    gone_day[gone] = config.split_day - rng.uniform(1, 60, len(gone))
    stock = np.ceil(np.exp(rng.normal(3.5, 0.8, N))).astype(int)
    stock[gone] = 0
    picture = np.arange(N)
    picture[rng.choice(N, N // 100, replace=False)] = -1
    images = images[picture >= 0]
    picture[picture >= 0] = np.arange(len(images))
    edges, strength = complement_edges()
    return Catalogue(
        ids=np.char.add("P", np.char.zfill(rng.permutation(N).astype(str), 5)),
        titles=_titles(leaf, tier, brand, rng),
        leaf=leaf,
        tier=tier,
        style=style,
        appeal=appeal,
        brand=brand,
        price=price,
        margin=margin,
        stock=stock,
        trend=rng.normal(0, 0.7, N),
        available_day=available_day,
        gone_day=gone_day,
        picture=picture,
        images=images,
        edges=edges,
        edge_strength=strength,
        partners=_draw_partners(leaf, tier, style, brand, edges, rng),
    )


def complement_edges() -> tuple[np.ndarray, np.ndarray]:
    """Returns the complement edges between leaves, `[E, 2]` (from, to), and their strengths `[E]`."""
    edges = np.array([(LEAF_WORDS.index(start), LEAF_WORDS.index(end)) for start, end, _ in _COMPLEMENT_EDGES])
    return edges, np.array([strength for *_, strength in _COMPLEMENT_EDGES])


def complement_table(catalogue: Catalogue) -> pd.DataFrame:
    """Returns the true complements: from_leaf, to_leaf, from_item, to_item, strength.

    `strength` is the probability that an order which holds `from_item` as an anchor gets `to_item` on its account
    (the edge's probability times the item's share among the edge's partners), while both are on sale.
    """
    start, end = catalogue.edges.T
    edge, item, place = np.nonzero(catalogue.partners >= 0)
    return pd.DataFrame(
        {
            "from_leaf": np.array(LEAVES)[start[edge]],
            "to_leaf": np.array(LEAVES)[end[edge]],
            "from_item": catalogue.ids[item],
            "to_item": catalogue.ids[catalogue.partners[edge, item, place]],
            "strength": (catalogue.edge_strength[edge] * _COMPLEMENT_SHARE[place]).round(4),
        }
    )


def substitute_table(catalogue: Catalogue) -> pd.DataFrame:
    """Returns item, substitute: same leaf and tier, the nearest in price first, at most twenty an item."""
    item, other = _related(catalogue, is_upgrade=False)
    return pd.DataFrame({"item": catalogue.ids[item], "substitute": catalogue.ids[other]})


def upgrade_table(catalogue: Catalogue) -> pd.DataFrame:
    """Returns item, upgrade, price_ratio: same leaf, higher tier, dearer; nearest in price first, at most twenty."""
    item, other = _related(catalogue, is_upgrade=True)
    ratio = (catalogue.price[other] / catalogue.price[item]).round(3)
    return pd.DataFrame({"item": catalogue.ids[item], "upgrade": catalogue.ids[other], "price_ratio": ratio})


def choose_partner(
    catalogue: Catalogue, edge: int, items: np.ndarray, day: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Returns `[R]` the complement chosen for each anchor along an edge; -1 where none is on sale at `day` `[R]`."""
    partners = catalogue.partners[edge, items]  # [R, NUM_COMPLEMENTS]
    is_open = (partners >= 0) & catalogue.is_sold(partners, day[:, None])
    weight = np.where(is_open, _COMPLEMENT_SHARE, 0)
    total = weight.sum(axis=1)
    drawn = (weight.cumsum(axis=1) < (rng.random(len(items)) * total)[:, None]).sum(axis=1)
    chosen = partners[np.arange(len(items)), np.minimum(drawn, NUM_COMPLEMENTS - 1)]
    return np.where(total > 0, chosen, -1)


def _spread(count: int, groups: int, rng: np.random.Generator) -> np.ndarray:
    """Returns `[count]` group codes, each group at least half of its even share."""
    sure = np.repeat(np.arange(groups), max(1, count // groups // 2))
    weight = rng.gamma(4.0, size=groups)
    return np.concatenate([sure, rng.choice(groups, count - len(sure), p=weight / weight.sum())])


def _draw_brands(leaf: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    codes = np.array([[BRANDS.index(brand) for brand in _BRANDS[department]] for department in DEPARTMENTS])
    return codes[DEPARTMENT_OF_LEAF[leaf], rng.choice(5, len(leaf), p=(0.3, 0.25, 0.2, 0.15, 0.1))]


def _charm(price: np.ndarray) -> np.ndarray:
    """Rounds as shops do: to .99 under 50, to whole euros less 1 cent above."""
    return np.where(price < 50, np.floor(price * 2) / 2 + 0.49, np.round(price) - 0.01).round(2)


def _draw_arrivals(config: DemoShopConfig, leaf: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    available = np.zeros(len(leaf))
    num_cold, num_late = int(config.cold_share * len(leaf)), int(config.late_share * len(leaf))
    is_fashionable = np.isin(leaf, rng.permutation(len(LEAVES))[: len(LEAVES) // 3])
    order = np.concatenate(
        [rng.permutation(np.flatnonzero(is_fashionable)), rng.permutation(np.flatnonzero(~is_fashionable))]
    )
    # At most six of ten items of the fashionable leaves are cold; other cold and late items come from anywhere.
    head = order[: min(num_cold, int(0.6 * is_fashionable.sum()))]
    others = rng.permutation(np.setdiff1d(order, head))
    cold = np.concatenate([head, others[: num_cold - len(head)]])
    late = others[num_cold - len(head) : num_cold - len(head) + num_late]
    available[cold] = config.split_day + np.floor(rng.uniform(0, max(1, config.evaluation_days * 0.4), len(cold)))
    available[late] = np.floor(rng.uniform(0.25, 0.9, len(late)) * config.split_day)
    return available


def _titles(leaf: np.ndarray, tier: np.ndarray, brand: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Returns unique titles such as "Lumina Compact Camera C320 Plus"."""
    series = np.array([_SERIES[code % len(_SERIES)] for code in brand])
    number = (tier * 2 + 3) * 100 + rng.permutation(len(leaf)) % 200
    word = np.array([_TIER_WORD[code][draw % len(_TIER_WORD[code])] for code, draw in zip(tier, number, strict=True)])
    noun, maker = np.array(LEAF_NOUNS)[leaf], np.array(BRANDS)[brand]
    titles = pd.Series(
        [f"{m} {n} {s}{x} {w}".strip() for m, n, s, x, w in zip(maker, noun, series, number, word, strict=True)]
    )
    again = titles.groupby(titles).cumcount()
    return np.where(again > 0, titles + " Mk " + (again + 1).astype(str), titles).astype(str)


def _draw_partners(
    leaf: np.ndarray,
    tier: np.ndarray,
    style: np.ndarray,
    brand: np.ndarray,
    edges: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """Partners share brand, tier and style more often than chance, so that content says something of an unsold item."""
    partners = np.full((len(edges), len(leaf), NUM_COMPLEMENTS), -1)
    for code, (start, end) in enumerate(edges):
        anchors, targets = np.flatnonzero(leaf == start), np.flatnonzero(leaf == end)
        fit = 1.5 * (brand[anchors, None] == brand[targets]) + 1.2 * (tier[anchors, None] == tier[targets])
        fit = fit + 1.2 * (style[anchors, None] == style[targets]) + rng.gumbel(0, 0.7, (len(anchors), len(targets)))
        best = targets[np.argsort(-fit, axis=1)[:, :NUM_COMPLEMENTS]]
        partners[code, anchors[:, None], np.arange(best.shape[1])] = best
    return partners


def _related(catalogue: Catalogue, *, is_upgrade: bool) -> tuple[np.ndarray, np.ndarray]:
    """Returns item codes and their relatives' codes, aligned, nearest in price first."""
    lefts, rights = [], []
    for code in range(len(LEAVES)):
        items = np.flatnonzero(catalogue.leaf == code)
        tier, price = catalogue.tier[items], catalogue.price[items]
        if is_upgrade:
            is_related = (tier[None, :] > tier[:, None]) & (price[None, :] > price[:, None])
        else:
            is_related = (tier[None, :] == tier[:, None]) & ~np.eye(len(items), dtype=bool)
        distance = np.where(is_related, np.abs(np.log(price[None, :] / price[:, None])), np.inf)
        nearest = np.argsort(distance, axis=1, kind="stable")[:, :_NUM_RELATED]
        is_real = np.isfinite(np.take_along_axis(distance, nearest, axis=1))
        lefts.append(np.repeat(items, is_real.sum(axis=1)))
        rights.append(items[nearest[is_real]])
    return np.concatenate(lefts), np.concatenate(rights)
