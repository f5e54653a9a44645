import numpy as np
import pandas as pd

import tfrec
from tests.ingest.small_shop import RECIPE, write_small_shop
from tests.worlds import bought, make_shop
from tfrec.analysis.segments import segment_by_rfm
from tfrec.features.segments import MOST_SEGMENTS, UserSegments, encode_segments, users_in_segments
from tfrec.features.vocabulary import Vocabulary
from tfrec.ingest.prepare import prepare_shop
from tfrec.ingest.prepared import read_prepared


def test_a_user_of_whom_nothing_but_the_segment_is_known_is_a_known_user():
    shop = make_shop(bought("ann", 0, "a"), segments={"new": "gold", "ann": "gold", "unknown": ""})
    segments = shop.train.segments
    assert shop.users.tokens.tolist() == ["ann", "new"]
    assert segments.names.decode(segments.of_user).tolist() == ["", "gold", "gold"]
    before = shop.train.before(shop.train.hour[0])
    assert before.segments is segments


def test_a_shop_without_segments_has_none():
    shop = make_shop(bought("ann", 0, "a"))
    assert not len(shop.train.segments.names.tokens)
    assert shop.train.segments.of_user.tolist() == [0, 0]


def test_users_of_rare_segments_are_of_the_whole_shop():
    """The largest keep a popularity of their own; segments of one size go by name."""
    names = [f"s{number:03d}" for number in range(MOST_SEGMENTS + 5)]
    words = [*names, names[-1], " s067 "]
    table = pd.DataFrame({"user_id": [f"u{number}" for number in range(len(words))], "segment": words})
    segments = encode_segments(users_in_segments(table), Vocabulary(table["user_id"].to_numpy(object)))
    assert segments.names.tokens.tolist() == [names[-1], *names[: MOST_SEGMENTS - 1]]
    assert segments.of_user[[0, 1, MOST_SEGMENTS, -2, -1]].tolist() == [0, 2, 0, 1, 1]


def test_ids_and_segments_that_are_unknown_change_nothing():
    table = pd.DataFrame({"user_id": ["stranger", "ann", "bob"], "segment": ["gold", None, "gold"]})
    users = Vocabulary(np.array(["ann", "bob"], object))
    assert encode_segments(users_in_segments(table), users).of_user.tolist() == [0, 0, 1]
    assert not len(users_in_segments(table[["user_id"]]))
    assert UserSegments.none(users).of_user.tolist() == [0, 0, 0]


def test_a_column_of_the_log_becomes_the_segment(tmp_path):
    recipe = RECIPE.replace('country = "land"', 'country = "land"\nsegment = "land"')
    prepare_shop(write_small_shop(tmp_path, recipe=recipe), tmp_path / "prepared")
    shop = tfrec.load(tmp_path / "prepared")
    assert shop.train.segments.names.tokens.tolist() == ["DE"]
    assert shop.train.segments.of_user[shop.users.encode(["7", "8"])].tolist() == [1, 1]


def test_exported_segments_join_the_users_by_the_recipe(tmp_path):
    rows = [f"{n},{n % 12},A,2024-01-{1 + n % 28:02d} 10:00:00,1,{n}.00,apple,DE" for n in range(1, 40)]
    rows.append("99,1,A,2024-03-02 10:00:00,1,1.00,apple,DE")
    prepare_shop(write_small_shop(tmp_path / "data", rows=rows), tmp_path / "prepared")
    found = segment_by_rfm(read_prepared(tmp_path / "prepared").train)
    found.export(tmp_path / "data" / "segments")
    users = '[users]\nfiles = "segments/users.parquet"\n\n[users.columns]\nuser_id = "user_id"\nsegment = "segment"\n'
    recipe = RECIPE.replace('[users.columns]\ncountry = "land"\n', users)
    prepare_shop(write_small_shop(tmp_path / "data", rows=rows, recipe=recipe), tmp_path / "again")
    shop = tfrec.load(tmp_path / "again")
    segments = shop.train.segments
    mine = segments.names.decode(segments.of_user[shop.users.encode(found.assignments["user_id"])])
    assert len(mine) == 12 and mine.tolist() == found.assignments["segment"].tolist()
