"""States how category paths are written; free of pandas, for the client too."""

from collections.abc import Iterator

CATEGORY_SEPARATOR = " > "
"""Stands between the levels of a category path: `"Electronics > Cameras > Compact"`."""


def paths_above(category: str) -> Iterator[str]:
    """Yields a category path and those above it: `"a > b"`, `"a"`."""
    while category:
        yield category
        category = category.rpartition(CATEGORY_SEPARATOR)[0]
