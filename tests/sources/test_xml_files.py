"""XML in which one element repeats becomes a table, each such element a row."""

from pathlib import Path

import ibis
import pytest

from tfrec.errors import SourceError
from tfrec.sources import FileSource, Source, Workspace

_FEED = """<?xml version="1.0"?>
<feed xmlns="http://www.w3.org/2005/Atom" xmlns:g="http://base.google.com/ns/1.0">
<title>Shop</title>
<entry><g:id>A</g:id><title>Mug &amp; plate</title><g:shipping><g:price>4.90 EUR</g:price></g:shipping>
<g:image>1.jpg</g:image><g:image>2.jpg</g:image><link href="https://shop.example.org/a"/></entry>
<entry><g:id>B</g:id><g:brand>Lumen</g:brand></entry>
</feed>
"""


def read(folder: Path, text: str, *, name: str = "feed.xml"):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    raw = FileSource(Source(), (path,)).read(Workspace(ibis.duckdb.connect(), folder), name="items")
    return raw.table.order_by("_row").execute()


def test_each_entry_is_a_row_with_its_elements_as_columns(tmp_path):
    table = read(tmp_path, _FEED)
    assert table["id"].tolist() == ["A", "B"]
    assert table["title"].tolist()[0] == "Mug & plate"
    assert table["brand"].tolist()[1] == "Lumen"
    assert table["shipping.price"].tolist()[0] == "4.90 EUR"
    assert table["image"].tolist()[0] == "1.jpg"
    assert table["link.href"].tolist()[0] == "https://shop.example.org/a"
    assert table["_row"].tolist() == [1, 2]


def test_a_feed_of_one_item_is_a_table(tmp_path):
    table = read(tmp_path, "<rss><channel><title>Shop</title><item><id>A</id></item></channel></rss>")
    assert table["id"].tolist() == ["A"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("<rss><channel><item><id>A</id>", "is no XML"),
        ("order,sku\n1,A\n", "is no XML"),
        ("<page><title>Nothing</title></page>", "no element repeats"),
    ],
)
def test_what_is_no_table_is_named(text, words, tmp_path):
    with pytest.raises(SourceError, match=words):
        read(tmp_path, text)
