import hashlib
import hmac
import os
from pathlib import Path

import pandas as pd
import pytest

from tests.ingest.small_shop import RECIPE, ROWS, write_small_shop
from tfrec.errors import SourceError
from tfrec.ingest.prepare import prepare_shop
from tfrec.ingest.privacy import key_check, pseudonyms, read_key

KEY = bytes(range(32))
PRIVATE = """
[[clean.drop]]
column = "order_id"
pattern = "^C"
reason = "cancelled"
[privacy]
key_file = "key"
[extras]
offers = "offers.csv"
"""


def test_pseudonym_is_the_keyed_hash_of_the_id() -> None:
    ids = pd.Series(["7", "", "8", "7"])
    found = pseudonyms(ids, key=KEY).tolist()
    assert found[0] == hmac.new(KEY, b"7", hashlib.sha256).hexdigest()[:32]
    assert found[3] == found[0] != found[2]
    assert found[1] == ""


def test_another_key_gives_other_pseudonyms() -> None:
    ids = pd.Series(["7", "8"])
    assert set(pseudonyms(ids, key=KEY)).isdisjoint(pseudonyms(ids, key=KEY[::-1]))
    assert key_check(KEY) != key_check(KEY[::-1])


def test_neither_key_nor_ids_reach_the_prepared_shop(tmp_path: Path) -> None:
    user = "customer-4711-secret"
    rows = [*(row.replace("7.0", user) for row in ROWS), f"C9,{user},A,2024-01-05 10:00:00,1,1,apple,DE", f"{user},x"]
    (tmp_path / "offers.csv").write_text(f"customer,arm\n{user},mail\n")
    (tmp_path / "people.csv").write_text(f"who,age\n{user},33\n,5\n{user},34\n")
    (tmp_path / "key").write_bytes(KEY)
    recipe = write_small_shop(
        tmp_path,
        rows=rows,
        recipe=RECIPE.replace('country = "land"', 'user_id = "who"\nage = "age"\n[users]\nfiles = "people.csv"'),
        extra=PRIVATE,
    )
    prepared = prepare_shop(recipe, tmp_path / "out")
    known = pseudonyms(pd.Series([user]), key=KEY)[0]
    assert known in set(prepared.train.events["user_id"])
    assert prepared.train.users.set_index("user_id").loc[known, "age"] == "33"
    assert pd.read_csv(prepared.extra("offers"))["customer"].tolist() == [known]
    assert sum(prepared.manifest.rejected.values()) == 2
    for path in (one for one in (tmp_path / "out").rglob("*") if one.is_file()):
        content = path.read_bytes()
        if path.suffix == ".parquet":
            content += pd.read_parquet(path).to_csv().encode()
        assert user.encode() not in content, path
        assert KEY not in content and KEY.hex().encode() not in content, path


def test_short_key_is_refused(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(os.urandom(4))
    recipe = write_small_shop(tmp_path, extra='\n[privacy]\nkey_file="key"\n')
    with pytest.raises(SourceError, match="at least 16"):
        prepare_shop(recipe, tmp_path / "out")


def test_absent_key_file_says_what_it_is_for_and_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"partner\.key cannot be read .*pseudonyms.*head -c 32 /dev/urandom"):
        read_key(tmp_path / "partner.key")
