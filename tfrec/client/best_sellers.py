"""`BestSellers`: what sold most lately, read from a file beside a servable, offered where no server answers.

`tfrec train` and `tfrec baseline` write the file beside the certificate of each version
(`shop/3/assets.extra/best_sellers.json`); it holds the best of the whole shop and of every category.
"""

import dataclasses
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from tfrec.errors import SourceError
from tfrec.schema import wire
from tfrec.schema.category_paths import CATEGORY_SEPARATOR, paths_above
from tfrec.schema.inputs import STANDARD_WIDGETS

BEST_SELLERS = "best_sellers"
"""Name of the servable in answers that are made of this list."""
FILE = Path("assets.extra") / "best_sellers.json"
FORMAT = 1
_WITH_THRESHOLD = ("complete_cart", "page")
_ABOUT_AN_ITEM = ("similar", "upsell")
_ATTRIBUTES = ("include_attributes", "exclude_attributes", "same_as_anchor")


@dataclasses.dataclass(frozen=True)
class BestSeller:
    """One item that sells.

    Attributes:
        item_id: the item.
        category: its category path, "" unknown.
        price: its price, 0 unknown.
        count: times bought lately.
    """

    item_id: str
    category: str
    price: float
    count: int


@dataclasses.dataclass(frozen=True)
class BestSellers:
    """Items that sell, best first.

    Attributes:
        version: version of the servable that the list was written with.
        items: the items.
        withheld: ids of those that the shop's rules keep from somebody, now or later: they are not offered.
    """

    version: int
    items: tuple[BestSeller, ...]
    withheld: frozenset[str] = frozenset()

    def to_json(self) -> str:
        """Returns the list as it is stored."""
        rows = [[item.item_id, item.category, item.price, item.count] for item in self.items]
        content = {"format": FORMAT, "version": self.version, "items": rows, "withheld": sorted(self.withheld)}
        return json.dumps(content, ensure_ascii=False) + "\n"

    def answer(self, signature: str, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Returns the outputs `[B, k]` of a signature of `shop`, by sales instead of by a model.

        Limits of the query hold (cart, exclusions, categories, prices, `outside_cart_level`). The list holds no
        attributes, no users and no bundles: a query for those is offered nothing. `similar` and `upsell` put first what
        shares most of the anchor's category, where the list holds the anchor. Probabilities are 0: they are not known,
        and so no set is put together for a threshold. Nor is it known what goes with what: the lines of a cart
        (`arrange_cart`) stay in their order, and nothing stands beside them.

        Args:
            signature: its name.
            inputs: every input, `[B]` or `[B, 1 + n]`.
        """
        if signature == "arrange_cart":
            return _lines_as_sent(inputs["cart_item_ids"])
        if signature == "page":
            widgets = [self._page(inputs, row) for row in range(len(inputs["k"]))]
            rows = [[item for _, items in page for item in items] for page in widgets]
        else:
            offers = self._offered if signature != "bundle" else _nothing
            rows = [offers(signature, inputs, row, int(inputs["k"][row])) for row in range(len(inputs["k"]))]
        shape = (len(rows), max(map(len, rows), default=0))
        outputs: dict[str, np.ndarray] = {
            "item_ids": np.full(shape, "", object),
            "scores": np.full(shape, -np.inf, np.float32),
            "probabilities": np.zeros(shape, np.float32),
            "prices": np.zeros(shape, np.float32),
            "reasons": np.full(shape, "", object),
            "reason_item_ids": np.full(shape, "", object),
            "reason_counts": np.zeros(shape, np.int32),
            "sources": np.full(shape, "", object),
        }
        for row, offered in enumerate(rows):
            for place, item in enumerate(offered):
                outputs["item_ids"][row, place] = item.item_id
                outputs["scores"][row, place] = -place
                outputs["prices"][row, place] = item.price
                outputs["reasons"][row, place] = "popular_now" if item.count else "for_you"
                outputs["reason_counts"][row, place] = item.count
                outputs["sources"][row, place] = "popular"
        if signature == "page":
            outputs["widgets"], outputs["places"] = np.full(shape, "", object), np.zeros(shape, np.int32)
            for row, page in enumerate(widgets):
                names = [name for name, items in page for _ in items]
                outputs["widgets"][row, : len(names)] = names
                numbers = [number for number, (_, items) in enumerate(page, start=1) for _ in items]
                outputs["places"][row, : len(names)] = numbers
        if signature == "upsell":
            outputs["objectives"] = np.full(shape, "", object)
        if signature in _WITH_THRESHOLD:
            outputs["threshold_sets"] = np.zeros(shape, np.int32)
        if signature == "bundle":
            outputs["total_prices"] = np.zeros(shape, np.float32)
        return outputs

    def _page(self, inputs: Mapping[str, np.ndarray], row: int) -> list[tuple[str, list[BestSeller]]]:
        """Returns the items of each widget of a page; what a shopper bought before is not known."""
        names, sizes = inputs["widgets"][row].tolist(), inputs["widget_sizes"][row].tolist()
        asked: dict[str, int] = {}
        for name, size in zip(names, sizes + [0] * len(names), strict=False):
            if name:
                asked.setdefault(name, size)
        page: list[tuple[str, list[BestSeller]]] = []
        taken: set[str] = set()
        for name, size in (asked or dict.fromkeys(STANDARD_WIDGETS, 0)).items():
            most = size if size > 0 else int(inputs["k"][row])
            found = [] if name == "buy_again" else self._offered(name, inputs, row, len(self.items))
            items = [item for item in found if item.item_id not in taken][: max(most, 0)]
            taken |= {item.item_id for item in items}
            page.append((name, items))
        return page

    def _offered(self, signature: str, inputs: Mapping[str, np.ndarray], row: int, k: int) -> list[BestSeller]:
        def values(name: str) -> set[str]:
            given = np.atleast_1d(inputs[name][row]) if name in inputs else ()
            return {wire.as_text(value) for value in given} - {""}

        if any(values(name) for name in _ATTRIBUTES) or "only" in values("bought_before"):
            return []
        anchor, cart = values("item_id"), values("cart_item_ids")
        barred = anchor | cart | values("exclude_item_ids") | self.withheld
        wanted = values("include_categories")
        level = max(int(inputs["outside_cart_level"][row]), 0) if "outside_cart_level" in inputs else 0
        known = {item.item_id: item.category for item in self.items if item.item_id in anchor | cart}
        shut = {_cut(known[item_id], level) for item_id in cart if level and known.get(item_id)}
        found = [
            item
            for item in self.items
            if item.item_id not in barred
            and inputs["min_price"][row] <= item.price <= inputs["max_price"][row]
            and (not wanted or not wanted.isdisjoint(paths_above(item.category)))
            and (not shut or _cut(item.category, level) not in shut)
        ]
        if signature in _ABOUT_AN_ITEM and (own := next((known[one] for one in anchor if one in known), "")):
            shared = set(paths_above(own))
            found.sort(key=lambda item: -sum(path in shared for path in paths_above(item.category)))
        if "shown_item_ids" in inputs:
            shown = [wire.as_text(value) for value in inputs["shown_item_ids"][row].tolist()]
            found.sort(key=lambda item: shown.count(item.item_id))
        return found[: max(k, 0)]


def read_best_sellers(place: str | Path) -> BestSellers:
    """Returns the list in a file, in the folder of a version, or in that of the newest version below a folder.

    Args:
        place: `best_sellers.json`; `models/shop/3`; `models/shop`; or `models`, for `shop` and else `fallback`.

    Raises:
        SourceError: there is none, or it cannot be read.
    """
    path = next((path for path in _candidates(Path(place)) if path.is_file()), None)
    if path is None:
        raise SourceError(
            f"There is no {FILE.name} in {place}. Train or export again (tfrec train, tfrec baseline), and name the "
            "folder of models or a copy of the file."
        )
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] != FORMAT:
            raise ValueError(f"format {content['format']}, but this tfrec reads format {FORMAT}")
        items = tuple(BestSeller(str(row[0]), str(row[1]), float(row[2]), int(row[3])) for row in content["items"])
        return BestSellers(int(content["version"]), items, frozenset(map(str, content.get("withheld", []))))
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise SourceError(f"{path} cannot be read ({error}). Train or export again, and copy the new file.") from error


def _candidates(place: Path) -> Iterator[Path]:
    yield place
    for folder in (place, place / "shop", place / "fallback"):
        yield folder / FILE
        versions = [child for child in folder.iterdir() if child.name.isdecimal()] if folder.is_dir() else []
        for version in sorted(versions, key=lambda child: int(child.name), reverse=True):
            yield version / FILE


def _lines_as_sent(carts: np.ndarray) -> dict[str, np.ndarray]:
    """Returns the outputs of `arrange_cart` for `carts [B, 1 + n]` whose order stays."""
    padding_last = np.argsort(carts == "", axis=1, kind="stable")
    lines = np.take_along_axis(carts, padding_last, axis=1)[:, : carts.shape[1] - 1]
    return {
        "item_ids": lines,
        "scores": np.where(lines == "", -np.inf, 0.0).astype(np.float32),
        "complement_item_ids": np.full(lines.shape, "", object),
        "complement_probabilities": np.zeros(lines.shape, np.float32),
        "objectives": np.full(lines.shape, "", object),
    }


def _nothing(*_: object) -> list[BestSeller]:
    return []


def _cut(category: str, level: int) -> str:
    return CATEGORY_SEPARATOR.join(category.split(CATEGORY_SEPARATOR)[:level])
