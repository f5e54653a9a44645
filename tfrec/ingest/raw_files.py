"""Finds every raw file that a recipe names, before any work is done."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path, PurePath

from tfrec.ingest.picture_folder import find_pictures
from tfrec.ingest.privacy import read_key
from tfrec.ingest.recipes import RecipeFile
from tfrec.sources.locate import RawFile, data_homes, locate_plain
from tfrec.sources.open_source import open_source
from tfrec.sources.raw_table import RowSource, RowsState


@dataclasses.dataclass(frozen=True)
class RawFiles:
    """The located files of a recipe.

    Attributes:
        sources: table → where its rows come from, of each section; tables without files or database are absent.
        category_tree: where the rows of the tree of categories come from, or None.
        pictures: the array, or None.
        picture_folder: JPEG and PNG files.
        extras: name → file.
        truth: folder of a generated shop's truth, or None.
        key: the secret of the pseudonyms, or None.
    """

    sources: Mapping[str, tuple[RowSource, ...]]
    category_tree: RowSource | None
    pictures: Path | None
    picture_folder: tuple[Path, ...]
    extras: dict[str, Path]
    truth: Path | None
    key: bytes | None = dataclasses.field(repr=False)

    @property
    def all(self) -> list[RawFile]:
        """Every data file, in the recipe's order."""
        truth = sorted(path for path in self.truth.rglob("*") if path.is_file()) if self.truth else []
        pictures = [*([self.pictures] if self.pictures else []), *self.picture_folder]
        tables = [path for sources in self.sources.values() for source in sources for path in source.inputs]
        tree = self.category_tree.inputs if self.category_tree is not None else ()
        return [*tables, *tree, *pictures, *self.extras.values(), *truth]

    @property
    def meant_names(self) -> list[str]:
        """The parts of the files' names that are data: items of pictures, and partitions (`month=2024-05`)."""
        partitions = [part for path in self.all for part in PurePath(str(path)).parts[:-1] if "=" in part]
        return [*partitions, *(path.stem for path in self.picture_folder)]

    @property
    def states(self) -> list[RowsState]:
        """State of every database, in the recipe's order."""
        tree = self.category_tree.states if self.category_tree is not None else ()
        return [*(state for sources in self.sources.values() for source in sources for state in source.states), *tree]


def locate_files(written: RecipeFile, *, data_home: Path | None, reading: Path) -> RawFiles:
    """Returns the files of a recipe.

    Args:
        written: the recipe.
        data_home: folder with the raw files.
        reading: folder for what is read of databases.

    Raises:
        SourceError: one is missing or empty; says where it was looked for and where to get the data.
    """
    recipe = written.recipe
    homes = data_homes(written.data_home, data_home)

    def located(name: str) -> Path:
        return locate_plain(name, homes=homes, source_url=recipe.source_url)

    truths = [home / recipe.truth for home in homes if recipe.truth and (home / recipe.truth).is_dir()]
    key_file, pictures, tree = recipe.privacy.key_file, recipe.pictures, recipe.items.category_tree
    return RawFiles(
        sources={
            name: tuple(
                open_source(section, homes=homes, source_url=recipe.source_url, reading=reading) for section in sections
            )
            for name, sections in recipe.sections.items()
            if sections[0].is_stated
        },
        category_tree=(
            open_source(tree, homes=homes, source_url=recipe.source_url, reading=reading) if tree is not None else None
        ),
        pictures=located(pictures.file) if pictures and pictures.file else None,
        picture_folder=find_pictures(pictures.folder, homes=homes) if pictures and pictures.folder else (),
        extras={name: located(file) for name, file in recipe.extras.items()},
        truth=truths[0] if truths else None,
        key=read_key(locate_plain(key_file, homes=homes, source_url="")) if key_file else None,
    )
