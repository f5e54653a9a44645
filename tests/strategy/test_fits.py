import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from tfrec.features.fits import fits_of_facts
from tfrec.models.sources.shortlist import shortlist_of, whole_catalogue
from tfrec.strategy.fits import only_what_fits

ITEMS = ["phone", "other phone", "case", "both case", "other case", "lens", "camera", "book"]
FITS = fits_of_facts(
    pd.DataFrame(
        [
            ("case", "fits", "phone"),
            ("both case", "fits", "phone"),
            ("both case", "fits", "other phone"),
            ("other case", "fits", "other phone"),
            ("lens", "fits", "E mount"),
            ("camera", "fits", "E mount"),
            ("book", "made by", "phone"),
            ("unknown case", "fits", "phone"),
        ],
        columns=["head", "relation", "tail"],
    ),
    np.array(ITEMS, object),
)


@pytest.mark.parametrize(
    ("chosen", "fitting"),
    [
        (["phone"], {"phone", "other phone", "case", "both case", "book"}),
        (["other case"], {"other phone", "both case", "other case", "book"}),
        (["phone", "other phone"], {"phone", "other phone", "both case", "book"}),
        (["lens"], {"lens", "camera", "book"}),
        (["phone", "lens"], {"book"}),
        (["book"], set(ITEMS)),
        ([], set(ITEMS)),
    ],
    ids=lambda value: " and ".join(value) if isinstance(value, list) else "",
)
def test_only_what_fits_all_that_was_chosen_is_left(chosen, fitting):
    rows = [[0] + [ITEMS.index(item) + 1 for item in chosen], [0] * (len(chosen) + 1)]
    catalogue = whole_catalogue(len(ITEMS) + 1)
    listed = shortlist_of([tf.constant([range(1, len(ITEMS) + 1)] * 2)])
    for shortlist in (catalogue, listed):
        left = only_what_fits(
            tf.constant([[False] + [True] * len(ITEMS)]),
            shortlist,
            chosen=tf.constant(rows, tf.int32),
            codes=tf.constant(FITS.codes),
            is_head=tf.constant(FITS.is_head),
            num_codes=FITS.num_codes,
        ).numpy()
        assert {item for item, is_left in zip(ITEMS, left[0][1:], strict=True) if is_left} == fitting
        assert left[1][1:].all()  # the row beside it chose nothing


def test_shop_without_the_relation_has_no_codes():
    fits = fits_of_facts(pd.DataFrame({"head": ["a"], "relation": ["made by"], "tail": ["b"]}), np.array(["a"], object))
    assert fits.num_codes == 1 and not fits.is_head.any()
