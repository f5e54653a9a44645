"""Finds every raw file that a recipe names, before any work is done."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path, PurePath

from tfrec.errors import EmptySourceError
from tfrec.ingest.picture_folder import PictureFiles, find_pictures
from tfrec.ingest.privacy import read_key
from tfrec.ingest.recipes import RecipeFile
from tfrec.sources.locate import RawFile, data_homes, locate_plain
from tfrec.sources.open_source import open_source
from tfrec.sources.raw_table import RowSource, RowsState
from tfrec.sources.table_files import TableFiles


@dataclasses.dataclass(frozen=True)
class RawFiles:
    """The located files of a recipe.

    Attributes:
        sources: table → where its rows come from, of each section; tables without files or database are absent.
        absent: table → why it is, though the recipe names files that it may do without.
        category_tree: where the rows of the tree of categories come from, or None.
        pictures: the array, or None.
        picture_folder: JPEG and PNG files, or None.
        extras: name → file.
        truth: folder of a generated shop's truth, or None.
        key: the secret of the pseudonyms, or None.
    """

    sources: Mapping[str, tuple[RowSource, ...]]
    absent: Mapping[str, EmptySourceError]
    category_tree: RowSource | None
    pictures: Path | None
    picture_folder: PictureFiles | None
    extras: dict[str, Path]
    truth: Path | None
    key: bytes | None = dataclasses.field(repr=False)

    @property
    def all(self) -> list[RawFile]:
        """Every data file, in the recipe's order."""
        truth = sorted(path for path in self.truth.rglob("*") if path.is_file()) if self.truth else []
        pictures = [*([self.pictures] if self.pictures else []), *self._picture_files]
        tables = [path for sources in self.sources.values() for source in sources for path in source.inputs]
        tree = self.category_tree.inputs if self.category_tree is not None else ()
        return [*tables, *tree, *pictures, *self.extras.values(), *truth]

    @property
    def meant_names(self) -> list[str]:
        """The parts of the files' names that are data: items of pictures, and partitions (`month=2024-05`)."""
        partitions = [part for path in self.all for part in PurePath(str(path)).parts[:-1] if "=" in part]
        folder = self.picture_folder
        return [*partitions, *(folder.name_of(path) for path in folder.paths)] if folder else partitions

    @property
    def _picture_files(self) -> tuple[Path, ...]:
        return self.picture_folder.paths if self.picture_folder else ()

    @property
    def states(self) -> list[RowsState]:
        """State of every database, in the recipe's order."""
        sources = [source for sources in self.sources.values() for source in sources]
        trees = [self.category_tree] if self.category_tree is not None else []
        return [state for source in (*sources, *trees) for state in source.states]


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

    def opened(section: TableFiles) -> RowSource:
        return open_source(section, homes=homes, source_url=recipe.source_url, reading=reading)

    sources: dict[str, tuple[RowSource, ...]] = {}
    absent: dict[str, EmptySourceError] = {}
    for table, sections in recipe.sections.items():
        if sections[0].is_stated:
            try:
                sources[table] = tuple(map(opened, sections))
            except EmptySourceError as error:
                if not sections[0].may_lack(error):
                    raise
                absent[table] = error
    truths = [home / recipe.truth for home in homes if recipe.truth and (home / recipe.truth).is_dir()]
    key_file, pictures, tree = recipe.privacy.key_file, recipe.pictures, recipe.items.category_tree
    return RawFiles(
        sources=sources,
        absent=absent,
        category_tree=opened(tree) if tree is not None else None,
        pictures=located(pictures.file) if pictures and pictures.file else None,
        picture_folder=find_pictures(pictures.folder, homes=homes, are_named_by_path="picture" in recipe.items.columns)
        if pictures and pictures.folder
        else None,
        extras={name: located(file) for name, file in recipe.extras.items()},
        truth=truths[0] if truths else None,
        key=read_key(locate_plain(key_file, homes=homes, source_url="")) if key_file else None,
    )
