"""Reads XML in which one element repeats, such as a product feed, as a table of text: a row for each such element."""

import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

from tfrec.errors import SourceError
from tfrec.sources.csv_layout import open_bytes
from tfrec.sources.engine import literal
from tfrec.sources.file_format import BadLine, FileFormat, StoreTask
from tfrec.sources.text_tables import write_rows

_RECORDS = ("item", "entry", "product", "offer", "order", "record", "row")
"""Names of elements that are rows even where there is one alone."""


def _store(task: StoreTask) -> list[BadLine]:
    record, columns = _find_records(task.path)
    target = task.scratch("parquet")
    rows = ([row.get(name, "") for name in columns] for row in _read_records(task.path, record))
    write_rows(rows, columns, target)
    task.create(f"SELECT * FROM read_parquet({literal(str(target))})")
    return []


XML = FileFormat("xml", (".xml",), _store)
"""Columns are the names of the elements in a record, without namespaces: `<g:id>` is `id`, `<g:shipping><g:price>` is
`shipping.price`; of elements that repeat in a record the first counts, and attributes are `name.attribute`."""


def _find_records(path: Path) -> tuple[tuple[str, ...], list[str]]:
    """Returns the path of the element that is a row, and the columns of all rows in order.

    It is the highest element with elements in it of which one parent has several.

    Raises:
        SourceError: the file is no XML, or no element repeats.
    """
    counts: Counter[tuple[str, ...]] = Counter()
    for place, element in _elements(path):
        if len(element) and len(place) > 1:
            counts[place] += 1
    repeated = [place for place, count in counts.items() if count > 1] or [
        place for place in counts if place[-1].lower() in _RECORDS
    ]
    if not repeated:
        raise SourceError(f"{path}: no element repeats, so there are no rows. Name a feed with an element an item.")
    record = min(repeated, key=lambda place: (len(place), -counts[place]))
    columns: dict[str, None] = {}
    for row in _read_records(path, record):
        columns |= dict.fromkeys(row)
    return record, [*columns]


def _read_records(path: Path, record: tuple[str, ...]) -> Iterator[dict[str, str]]:
    for place, element in _elements(path):
        if place == record:
            row: dict[str, str] = {}
            for child in element:
                _take(child, "", row)
            yield row
            element.clear()


def _take(element: ElementTree.Element, prefix: str, row: dict[str, str]) -> None:
    """Adds the texts of an element and of those in it to a row, each name once."""
    name = prefix + _local(element.tag)
    text = (element.text or "").strip()
    if text or not len(element):
        row.setdefault(name, text)
    for attribute, value in element.attrib.items():
        row.setdefault(f"{name}.{_local(attribute)}", value)
    for child in element:
        _take(child, f"{name}.", row)


def _elements(path: Path) -> Iterator[tuple[tuple[str, ...], ElementTree.Element]]:
    """Yields each element when it ends, with the names from the outermost one down to it."""
    place: list[str] = []
    try:
        with open_bytes(path) as stream:
            for event, element in ElementTree.iterparse(stream, events=("start", "end")):
                if event == "start":
                    place.append(_local(element.tag))
                    continue
                yield tuple(place), element
                place.pop()
    except ElementTree.ParseError as error:
        raise SourceError(f"{path} is no XML: {error}. Get the data again.") from error
    except (OSError, EOFError, zlib.error) as error:
        raise SourceError(f"{path} cannot be unpacked: {error}. Get the data again.") from error


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]
