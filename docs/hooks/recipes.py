"""Makes the table of the recipes that come with the package from their files; see `written_tables.py`."""

import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = ("tfrec/datasets", "datasets")


def describe_recipes() -> Iterator[str]:
    """Yields the table: name, description, origin of the files, licence."""
    yield "| recipe | shop | files | licence |\n| --- | --- | --- | --- |"
    for path in sorted(path for folder in FOLDERS for path in (ROOT / folder).glob("*.toml")):
        recipe = tomllib.loads(path.read_text(encoding="utf-8"))
        source = recipe["source_url"]
        source = f"<{source}>" if source.startswith("http") and " " not in source else source
        yield f"| `{recipe['name']}` | {recipe['description']} | {source} | {recipe['licence']} |"
