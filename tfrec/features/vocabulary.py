"""Maps ids and words to dense integer indices, and the catalogue to arrays gathered by these indices.

Index 0 is padding and out-of-vocabulary (OOV) at once; items, categories, brands and words count from 1.
"""

import dataclasses
import re
from collections.abc import Iterable

import numpy as np
import pandas as pd
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.preprocessing import normalize

from tfrec.errors import SchemaError
from tfrec.features.attributes import Attributes, attributes_of_items
from tfrec.features.fits import Fits, fits_of_facts
from tfrec.features.item_vectors import reduce_vectors, unit_vectors
from tfrec.schema.category_paths import CATEGORY_SEPARATOR
from tfrec.schema.event_types import EVENT_TYPES
from tfrec.schema.tables import FACT_COLUMNS, category_levels, empty_table

NUM_PRICE_BUCKETS = 16
TITLE_LENGTH = 12
"""Words of a title that count; further ones are cut."""
_WORD = r"(?u)\b\w\w+\b"
_CONTENT_DIM = 64
_EPOCH = np.datetime64("1970-01-01T00:00:00", "us")
_HOUR = np.timedelta64(3_600_000_000, "us")


@dataclasses.dataclass(frozen=True)
class Vocabulary:
    """Distinct tokens; the token in row `i` has index `i + 1`.

    Attributes:
        tokens: `[n]` distinct, non-empty text.

    Raises:
        SchemaError: a token is empty or comes twice.
    """

    tokens: np.ndarray  # [n] object
    _index: pd.Index = dataclasses.field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        index = pd.Index(self.tokens, dtype=object)
        if not index.is_unique or (index == "").any():
            raise SchemaError("A vocabulary's tokens must be distinct and not empty. Drop duplicates and blanks first.")
        object.__setattr__(self, "tokens", np.asarray(self.tokens, dtype=object))
        object.__setattr__(self, "_index", index)

    @classmethod
    def of(cls, values: Iterable[str]) -> "Vocabulary":
        """Returns the vocabulary of the distinct non-empty values, in their order."""
        series = values if isinstance(values, pd.Series) else pd.Series(values, dtype=object)
        tokens = np.asarray(series.unique(), dtype=object)
        return cls(tokens[tokens != ""])

    @property
    def size(self) -> int:
        """Number of indices, the 0 for OOV included."""
        return len(self.tokens) + 1

    def encode(self, values: Iterable[str]) -> np.ndarray:
        """Returns `[n]` int32 indices; 0 for what is unknown or empty."""
        if isinstance(values, pd.Series):  # a long column has few distinct values: the others stay text of Arrow
            number, distinct = pd.factorize(values)
            return np.append(self.encode(distinct), np.int32(0))[number]
        return (self._index.get_indexer(pd.Index(values, dtype=object)) + 1).astype(np.int32)

    def decode(self, indices: np.ndarray) -> np.ndarray:
        """Returns tokens `[...]` of indices `[...]`; `""` for index 0."""
        return np.concatenate([np.array([""], dtype=object), self.tokens])[indices]


@dataclasses.dataclass(frozen=True)
class Catalogue:
    """What is known of each item without any sale; row 0 stands for no item. `N` items, `N + 1` rows.

    Attributes:
        categories: `[N + 1, depth]` int32 index of the category path at each level, top first; 0 unknown.
        brand: `[N + 1]` int32.
        price: `[N + 1]` float32 in the shop's currency; 0 unknown.
        margin: `[N + 1]` float32 share of the price that is profit; NaN unknown.
        price_bucket: `[N + 1]` int32 in 1..NUM_PRICE_BUCKETS by rank of the price; 0 unknown.
        title_words: `[N + 1, TITLE_LENGTH]` int32; 0 behind the end. Where the shop has facts of items, further columns
            hold the words of the facts.
        content: `[N + 1, c]` float32, unit length: title, category, brand and facts, TF-IDF reduced by SVD
            (latent semantic analysis), and beside them the principal components of `vectors`; the inner product is a
            content similarity, the mean of those of text and vectors.
        is_in_stock: `[N + 1]` bool: not known to be sold out.
        on_sale_from: `[N + 1]` float64 hours since 1970-01-01 UTC; -inf = always.
        on_sale_until: `[N + 1]` float64 hours, the first moment of no sale; inf = without end.
        group: `[N + 1]` int32, equal for the variants of one product; 0 = no variants.
        fits: which items fit which.
        attributes: what requests may limit items by.
        images: `[N + 1, H, W, C]` uint8, zeros where an item has none; None when no item has a picture.
        has_image: `[N + 1]` bool.
        vectors: `[N + 1, d]` float32, unit length or zeros: the shop's own vectors of items; None where none has one.
    """

    categories: np.ndarray
    brand: np.ndarray
    price: np.ndarray
    margin: np.ndarray
    price_bucket: np.ndarray
    title_words: np.ndarray
    content: np.ndarray
    is_in_stock: np.ndarray
    on_sale_from: np.ndarray
    on_sale_until: np.ndarray
    group: np.ndarray
    fits: Fits
    attributes: Attributes
    images: np.ndarray | None
    has_image: np.ndarray
    vectors: np.ndarray | None

    def is_on_sale(self, hour: float) -> np.ndarray:
        """Returns `[N + 1]` bool: the sale has begun at `hour` and not ended."""
        return (self.on_sale_from <= hour) & (hour < self.on_sale_until)

    def is_available(self, hour: float) -> np.ndarray:
        """Returns `[N + 1]` bool: on sale at `hour` and in stock (stock is known for the present alone)."""
        return self.is_in_stock & self.is_on_sale(hour) & (np.arange(len(self.is_in_stock)) > 0)

    @property
    def largest_group(self) -> int:
        """The most items that are variants of one product; 1 = there are none."""
        return int(np.bincount(self.group[self.group > 0]).max(initial=1))

    @property
    def has_margins(self) -> bool:
        """Whether the shop states the margin of any item that it sells."""
        return bool((np.isfinite(self.margin) & (self.price > 0))[1:].any())

    @property
    def profit(self) -> np.ndarray:
        """`[N + 1]` float32: what a sale of each item earns, its price times its margin; 0 where the price is unknown.

        An unknown margin is the mean of its leaf category, else of the shop; a shop that states none gets the prices.
        """
        if not self.has_margins:
            return self.price
        known = np.isfinite(self.margin) & (self.price > 0)
        known[0] = False
        leaf = self.leaf_category
        total, number = (
            np.bincount(leaf[known], weights=values, minlength=leaf.max() + 1)
            for values in (self.margin[known], np.ones(known.sum()))
        )
        of_leaf = np.where(number > 0, total / np.maximum(number, 1), self.margin[known].mean())[leaf]
        return (self.price * np.where(np.isfinite(self.margin), self.margin, of_leaf)).astype(np.float32)

    @property
    def leaf_category(self) -> np.ndarray:
        """`[N + 1]` index of each item's whole category path."""
        return self.categories[:, -1]

    @property
    def num_top_categories(self) -> int:
        """Number of top categories by their largest index, with 0."""
        return int(self.categories[:, 0].max(initial=0)) + 1


@dataclasses.dataclass(frozen=True)
class Vocabularies:
    """Every vocabulary of a shop, and the catalogue encoded by them.

    Attributes:
        items: item ids.
        categories: category paths, every level of each.
        brands: brands.
        words: words of the titles, then those of facts.
        catalogue: the items' arrays.
        event_types: names of the event types; the type in position `i` has code `i + 1`.
    """

    items: Vocabulary
    categories: Vocabulary
    brands: Vocabulary
    words: Vocabulary
    catalogue: Catalogue
    event_types: tuple[str, ...] = EVENT_TYPES

    @property
    def num_items(self) -> int:
        """Number of items, without the 0."""
        return len(self.items.tokens)


def build_vocabularies(
    items: pd.DataFrame,
    images: np.ndarray | None,
    fact_words: pd.DataFrame | None = None,
    embeddings: np.ndarray | None = None,
    facts: pd.DataFrame | None = None,
    attributes: pd.DataFrame | None = None,
) -> Vocabularies:
    """Returns the vocabularies of a catalogue.

    Args:
        items: a table of `ITEM_COLUMNS`.
        images: uint8 `[n, H, W]` or `[n, H, W, C]`, row = `items.image_index`.
        fact_words: `row` (item index, from 1) and `word`, see `tfrec.features.facts`; None = there are no facts.
        embeddings: `[N, d]` the shop's own vectors of its items, NaN where an item has none; None = there are none.
        facts: a table of `FACT_COLUMNS` that says which items fit which; None = there are none.
        attributes: a table of `FACT_COLUMNS` by which requests may limit items; None = there are none.
    """
    if fact_words is not None and fact_words.empty:
        fact_words = None
    item_ids = Vocabulary(items["item_id"].to_numpy(object))
    levels = category_levels(items["category"])
    categories = Vocabulary.of(pd.concat([levels[level] for level in levels]) if len(levels.columns) else [])
    brands = Vocabulary.of(items["brand"])
    words, title_words = _encode_titles(items["title"])
    if fact_words is not None:
        words, title_words = _with_facts(words, title_words, fact_words)
    price = np.nan_to_num(items["price"].to_numpy(np.float32), nan=0.0)
    pictures, has_image = _align_images(items["image_index"].to_numpy(), images)
    in_stock = ~(items["stock"].to_numpy(np.float32) == 0)
    content = _content_vectors(items, fact_words)
    if embeddings is not None:
        content = normalize(np.concatenate([content, reduce_vectors(embeddings)], axis=1)).astype(np.float32)
    level_codes = [categories.encode(levels[level]) for level in levels]
    catalogue = Catalogue(
        categories=_with_row_0(np.stack(level_codes, axis=1) if level_codes else np.zeros((len(items), 1), np.int32)),
        brand=_with_row_0(brands.encode(items["brand"])),
        price=_with_row_0(price),
        margin=_with_row_0(items["margin"].to_numpy(np.float32)),
        price_bucket=_with_row_0(_bucket(price)),
        title_words=_with_row_0(title_words),
        content=_with_row_0(content),
        is_in_stock=_with_row_0(in_stock),
        on_sale_from=_with_row_0(_hours(items, "available_from", unknown=-np.inf)),
        on_sale_until=_with_row_0(_hours(items, "available_until", unknown=np.inf)),
        group=_with_row_0(_groups(items)),
        fits=fits_of_facts(empty_table(FACT_COLUMNS) if facts is None else facts, item_ids.tokens),
        attributes=attributes_of_items(items, empty_table(FACT_COLUMNS) if attributes is None else attributes),
        images=pictures,
        has_image=has_image,
        vectors=None if embeddings is None else _with_row_0(unit_vectors(embeddings)),
    )
    return Vocabularies(items=item_ids, categories=categories, brands=brands, words=words, catalogue=catalogue)


def _hours(items: pd.DataFrame, name: str, *, unknown: float) -> np.ndarray:
    """Returns `[N]` hours since 1970-01-01 UTC of a column of moments, `unknown` where there is none."""
    if name not in items.columns:
        return np.full(len(items), unknown)
    return np.nan_to_num(((items[name].to_numpy() - _EPOCH) / _HOUR).astype(np.float64), nan=unknown)


def _groups(items: pd.DataFrame) -> np.ndarray:
    """Returns `[N]` int32: equal for the variants of one product, 0 where an item has none."""
    if "item_group" not in items.columns:
        return np.zeros(len(items), np.int32)
    return Vocabulary.of(items["item_group"]).encode(items["item_group"])


def _with_row_0(rows: np.ndarray) -> np.ndarray:
    """Returns `[N + 1, ...]` the rows `[N, ...]` behind a row of zeros."""
    return np.concatenate([np.zeros((1, *rows.shape[1:]), rows.dtype), rows])


def _bucket(price: np.ndarray) -> np.ndarray:
    """Returns `[N]` 1..NUM_PRICE_BUCKETS by rank among the known prices, 0 where unknown."""
    has_price = price > 0
    bucket = np.zeros(len(price), np.int32)
    if has_price.any():
        rank = pd.Series(price[has_price]).rank(pct=True).to_numpy()
        bucket[has_price] = np.ceil(rank * NUM_PRICE_BUCKETS).astype(np.int32)
    return bucket


def _encode_titles(titles: pd.Series) -> tuple[Vocabulary, np.ndarray]:
    """Returns the words of at least two titles, and `[N, TITLE_LENGTH]` the first of them in each title."""
    split = titles.str.lower().str.findall(_WORD)
    exploded = split.explode().dropna()
    counts = exploded.groupby([exploded.index, exploded]).size().groupby(level=1).size() if len(exploded) else exploded
    words = Vocabulary(np.array(sorted(counts.index[counts >= 2]) if len(exploded) else [], dtype=object))
    codes = np.zeros((len(titles), TITLE_LENGTH), np.int32)
    if len(exploded):
        code = words.encode(exploded)
        row = pd.Series(np.arange(len(titles)), index=titles.index)[exploded.index].to_numpy()
        row, code = row[code > 0], code[code > 0]
        position = pd.Series(row).groupby(row).cumcount().to_numpy()
        fits = position < TITLE_LENGTH
        codes[row[fits], position[fits]] = code[fits]
    return words, codes


def _with_facts(words: Vocabulary, codes: np.ndarray, fact_words: pd.DataFrame) -> tuple[Vocabulary, np.ndarray]:
    """Returns the words of titles and facts, and the codes `[N, TITLE_LENGTH + most]`; only facts hold a `=`."""
    words = Vocabulary(np.concatenate([words.tokens, np.sort(fact_words["word"].unique().astype(object))]))
    position = fact_words.groupby("row").cumcount().to_numpy()
    fact_codes = np.zeros((len(codes), position.max() + 1), np.int32)
    fact_codes[fact_words["row"].to_numpy() - 1, position] = words.encode(fact_words["word"])
    return words, np.concatenate([codes, fact_codes], axis=1)


def _content_vectors(items: pd.DataFrame, fact_words: pd.DataFrame | None) -> np.ndarray:
    """Returns `[N, c]` unit vectors of title, category path, brand and facts (TF-IDF, then truncated SVD)."""
    category = items["category"].str.replace(CATEGORY_SEPARATOR, " ", regex=False)
    text = items["title"] + " " + category + " " + items["brand"]
    vectorizer = TfidfVectorizer(token_pattern=_WORD, sublinear_tf=True, min_df=2, dtype=np.float32)
    documents: Iterable = text
    if fact_words is not None:  # a fact is one word, as it is written
        facts_of_items = fact_words.groupby("row")["word"].agg(list).reindex(np.arange(1, len(items) + 1))
        documents = [
            re.findall(_WORD, words.lower()) + (facts if isinstance(facts, list) else [])
            for words, facts in zip(text, facts_of_items, strict=True)
        ]
        vectorizer.set_params(analyzer=list)
    try:
        matrix = vectorizer.fit_transform(documents)
    except ValueError:  # no text at all
        return np.zeros((len(items), 1), np.float32)
    dim = min(_CONTENT_DIM, min(matrix.shape) - 1)
    if dim < 1:
        return np.zeros((len(items), 1), np.float32)
    with np.errstate(invalid="ignore"):  # items all alike have no variance, of which SVD would explain a share
        vectors = TruncatedSVD(dim, random_state=0).fit_transform(matrix)
    return normalize(vectors).astype(np.float32)


def _align_images(image_index: np.ndarray, images: np.ndarray | None) -> tuple[np.ndarray | None, np.ndarray]:
    """Returns pictures `[N + 1, H, W, channels]` of the items (None without any), and `[N + 1]` which have one."""
    has_image = np.concatenate([[False], image_index >= 0])
    if images is None or not has_image.any():
        return None, np.zeros_like(has_image)
    if image_index.max() >= len(images):
        raise SchemaError(
            f"`items.image_index` must be below the number of pictures, {len(images)}; got {image_index.max()}. "
            "Prepare the shop again."
        )
    pictures = np.zeros((len(has_image), *images.shape[1:]), np.uint8)
    pictures[has_image] = images[image_index[image_index >= 0]]
    return (pictures if pictures.ndim == 4 else pictures[..., None]), has_image
