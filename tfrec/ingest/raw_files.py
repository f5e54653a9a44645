"""Finds every raw file that a recipe names, before any work is done."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from tfrec.ingest.privacy import read_key
from tfrec.ingest.recipes import RecipeFile
from tfrec.sources.locate import RawFile, data_homes, locate_plain
from tfrec.sources.open_source import open_source
from tfrec.sources.raw_table import RowSource


@dataclasses.dataclass(frozen=True)
class RawFiles:
    """The located files of a recipe.

    Attributes:
        sources: table → where its rows come from, of each section; tables without files are absent.
        pictures: the array, or None.
        extras: name → file.
        truth: folder of a generated shop's truth, or None.
        key: the secret of the pseudonyms, or None.
    """

    sources: Mapping[str, tuple[RowSource, ...]]
    pictures: Path | None
    extras: dict[str, Path]
    truth: Path | None
    key: bytes | None = dataclasses.field(repr=False)

    @property
    def all(self) -> list[RawFile]:
        """Every data file, in the recipe's order."""
        truth = sorted(path for path in self.truth.rglob("*") if path.is_file()) if self.truth else []
        pictures = [self.pictures] if self.pictures else []
        tables = [path for sources in self.sources.values() for source in sources for path in source.inputs]
        return [*tables, *pictures, *self.extras.values(), *truth]


def locate_files(written: RecipeFile, *, data_home: Path | None) -> RawFiles:
    """Returns the files of a recipe.

    Raises:
        SourceError: one is missing or empty; says where it was looked for and where to get the data.
    """
    recipe = written.recipe
    homes = data_homes(written.data_home, data_home)

    def located(name: str) -> Path:
        return locate_plain(name, homes=homes, source_url=recipe.source_url)

    truths = [home / recipe.truth for home in homes if recipe.truth and (home / recipe.truth).is_dir()]
    key_file = recipe.privacy.key_file
    return RawFiles(
        sources={
            name: tuple(open_source(section, homes=homes, source_url=recipe.source_url) for section in sections)
            for name, sections in recipe.sections.items()
            if sections[0].is_stated
        },
        pictures=located(recipe.pictures.file) if recipe.pictures else None,
        extras={name: located(file) for name, file in recipe.extras.items()},
        truth=truths[0] if truths else None,
        key=read_key(locate_plain(key_file, homes=homes, source_url="")) if key_file else None,
    )
