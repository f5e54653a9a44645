import subprocess
import sys

import pandas as pd

from tfrec.schema.item_names import item_names, shorten


def test_items_of_the_same_title_get_their_ids_appended():
    items = pd.DataFrame({"item_id": ["1", "2", "3", "4", "5"], "title": ["milk", "bread", "milk", "", ""]})
    assert item_names(items) == {"1": "milk (1)", "2": "bread", "3": "milk (3)", "4": "4", "5": "5"}


def test_a_cut_name_keeps_the_id_that_makes_it_unique():
    assert shorten("SOFT DRINK POWDER POUCHES (1234567)", 26) == "SOFT DRINK POWD… (1234567)"
    assert shorten("SOFT DRINK POWDER POUCHES AND MORE", 26) == "SOFT DRINK POWDER POUCHES…"
    assert shorten("short (1)", 26) == "short (1)"
    assert len(shorten("a name (with brackets longer than there is room)", 20)) <= 20


def test_names_are_shortened_without_pandas():
    code = "import sys; from tfrec.schema.item_names import shorten; assert 'pandas' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
