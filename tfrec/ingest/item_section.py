"""Defines the sections `[items]` and `[pictures]` of a recipe."""

import dataclasses
from collections.abc import Mapping

from tfrec.errors import RecipeError
from tfrec.ingest.category_tree import CategoryTree
from tfrec.ingest.mapping import Columns
from tfrec.ingest.table_source import TableSource, check_keys, check_time_format
from tfrec.schema.category_paths import CATEGORY_SEPARATOR
from tfrec.schema.tables import ITEM_COLUMNS, OPTIONAL_ITEM_COLUMNS

_OF_CATALOGUE = (*OPTIONAL_ITEM_COLUMNS, "embedding", "picture")
ITEM_KEYS = (*ITEM_COLUMNS, "cost", *_OF_CATALOGUE)
"""What `[items.columns]` may map."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ItemsRecipe(TableSource):
    """Where the catalogue lies; without `files` items are what the training events know.

    Attributes:
        columns: see `Columns`; of the catalogue, or without one of the events file. Beside the schema's may be mapped
            `cost`, what the shop pays for a piece: margin is (price − cost) / price where none is mapped; `embedding`,
            the numbers of a vector, in each item as many; and `picture`, the path of its file in `[pictures] folder`.
        attributes: name → raw column, of the catalogue: what else is known of items, kept as text.
        words: column → raw word → word shown (`category`: `"1"` → `"trousers"`).
        price_weeks: without a catalogue's price, the price is the median of an item's sales in the last weeks of
            training.
        time_format: time format of `available_from` and `available_until`, as `EventsRecipe.time_format`.
        category_separator: between the levels of a raw category, e.g. `/`.
        category_tree: where the categories lie whose ids the items have.
        category_from_title: whether items without a category get one that is learned from the titles of such items.
    """

    attributes: Columns = dataclasses.field(default_factory=dict)
    words: Mapping[str, Mapping[str, str]] = dataclasses.field(default_factory=dict)
    price_weeks: float = 4.0
    time_format: tuple[str, ...] = ()
    category_separator: str = CATEGORY_SEPARATOR
    category_tree: CategoryTree | None = None
    category_from_title: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check_keys("columns", self.columns, ITEM_KEYS)
        if self.category_tree is not None and "category" not in self.columns:
            raise RecipeError("category_tree needs the ids of categories: map `category` in columns.")
        if self.category_from_title and "title" not in self.columns:
            raise RecipeError("category_from_title needs titles: map `title` in columns.")
        check_keys("words", self.words, ITEM_COLUMNS)
        if self.is_stated and "item_id" not in self.columns:
            raise RecipeError("columns must map item_id of the catalogue.")
        if not self.is_stated and "price" in self.columns:
            raise RecipeError("Without a catalogue the price comes from the events: map it in `[events.columns]`.")
        if not self.is_stated and "cost" in self.columns:
            raise RecipeError("Without a catalogue costs come from the events: map `cost` in `[events.columns]`.")
        for name in (*_OF_CATALOGUE, "attributes"):
            if not self.is_stated and (name in self.columns or (name == "attributes" and self.attributes)):
                raise RecipeError(f"{name} of items need a catalogue: name its `files`.")
        self._check_attributes()
        if not self.price_weeks > 0:
            raise RecipeError(f"price_weeks must be above 0; got {self.price_weeks}.")
        check_time_format(self.time_format)
        if not self.category_separator:
            raise RecipeError("category_separator must not be empty.")

    def with_attributes(self) -> TableSource:
        """Returns where the catalogue lies, with the attributes among its columns."""
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(TableSource)}
        return TableSource(**{**fields, "columns": {**self.columns, **self.attributes}})

    def _check_attributes(self) -> None:
        taken = {name.casefold(): name for name in ITEM_KEYS}
        for name in self.attributes:
            if name.startswith("_") or not name:
                raise RecipeError(f"attributes must have names that do not begin with `_`; got {name!r}.")
            if name.casefold() in taken:
                raise RecipeError(
                    f"attributes has the name {name!r}, which {taken[name.casefold()]!r} has already. Map a column of "
                    "the schema in [items.columns], or give the attribute another name."
                )
            taken[name.casefold()] = name


@dataclasses.dataclass(frozen=True)
class PicturesRecipe:
    """Product pictures: an array, or a folder of picture files.

    Attributes:
        file: an array (`.npy`, `images` of a `.npz`, idx) `[n, H, W]` or `[n, H, W, C]` of 0..255;
            `items.columns.image_index` gives an item's row.
        folder: folder of JPEG and PNG files, each named by the id of its item (`85123A.jpg`), or by its path in the
            folder where `items.columns.picture` is mapped.
        size: pixels of a side of the square that the pictures of `folder` are scaled to.
    """

    file: str = ""
    folder: str = ""
    size: int = 64

    def __post_init__(self) -> None:
        if bool(self.file) == bool(self.folder):
            raise RecipeError("Give file (an array) or folder (of picture files), and not both.")
        if not 8 <= self.size <= 1024:
            raise RecipeError(f"size must be from 8 to 1024 pixels; got {self.size}.")
