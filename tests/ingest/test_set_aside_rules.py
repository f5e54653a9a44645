"""Each rule sets aside the rows that it names and no others, and the ledger names file and row of each."""

from pathlib import Path

import pandas as pd
import pytest

from tests.ingest.small_shop import RECIPE, ROWS, write_small_shop
from tfrec.errors import RecipeError
from tfrec.ingest.prepare import prepare_shop
from tfrec.ingest.prepared import Prepared
from tfrec.ingest.recipes import read_recipe

KEY = bytes(range(32))
CLICKS = """
name = "clicks"
[events]
files = "log.csv"
time_zone = "UTC"
[events.columns]
user_id = "who"
session_id = "visit"
item_id = "sku"
event_type = "what"
timestamp = "at"
order_id = "order"
received_at = "got"
[split]
test_from = 2024-02-01
validation_from = 2024-01-20
"""


def prepare(folder: Path, rows: list[str], extra: str = "", recipe: str = RECIPE, header: str = "") -> Prepared:
    names = {"header": header} if header else {}
    return prepare_shop(write_small_shop(folder, rows=rows, recipe=recipe, extra=extra, **names), folder / "out")


def clicks(folder: Path, rows: list[str], extra: str = "") -> Prepared:
    return prepare(folder, rows, extra, recipe=CLICKS, header="who,visit,sku,what,at,order,got")


def set_aside(prepared: Prepared) -> dict[int, str]:
    """The reasons by the row in the file; checks that the ledger adds up."""
    manifest = prepared.manifest
    ledger = pd.read_parquet(prepared.path / "rejected.parquet")
    events = ledger[ledger["table"] == "events"]
    assert manifest.rows == manifest.kept + len(events) == manifest.kept + sum(manifest.rejected.values())
    assert manifest.kept == manifest.merged + manifest.train_events + manifest.test_events
    assert events["reason"].value_counts().to_dict() == manifest.rejected
    assert set(events["file"]) <= {"log.csv"}
    return dict(zip(events["row"], events["reason"], strict=True))


def codes(prepared: Prepared) -> dict[str, int]:
    return {note.code: note.count for note in prepared.manifest.notes}


def test_events_before_the_opening_and_in_the_future_are_clock_errors(tmp_path: Path) -> None:
    future = pd.Timestamp.now() + pd.Timedelta(days=40)
    ages = [
        f"{order},5,A,{day},1,2,apple,DE" for order, day in ((100 + at, f"2024-{1 + at % 9:02}-07") for at in range(30))
    ]
    recent = pd.date_range("2024-04-01", future, freq="21D").strftime("%Y-%m-%d")
    between = [f"{300 + at},5,A,{day},1,2,apple,DE" for at, day in enumerate(recent[:-2])]
    rows = [*ROWS, *ages, *between, f"90,7,A,{future:%Y-%m-%d},1,2,apple,DE", "91,7,A,2023-12-31 23:59,1,2,apple,DE"]
    found = set_aside(prepare(tmp_path, rows, '[clean.clock]\nopened = "2024-01-01"\n'))
    assert found == {len(rows) - 1: "timestamp in the future", len(rows): "before the shop opened"}


def test_a_log_that_was_moved_into_the_future_as_a_whole_is_kept(tmp_path: Path) -> None:
    year = pd.Timestamp.now().year + 2
    recipe = RECIPE.replace("2024", str(year))
    prepared = prepare(tmp_path, [row.replace("2024", str(year)) for row in ROWS], recipe=recipe)
    assert set_aside(prepared) == {}
    assert codes(prepared)["times_in_future"] == len(ROWS)


def test_a_device_whose_clock_is_ahead_is_known_from_the_first_event_that_was_received_too_early(
    tmp_path: Path,
) -> None:
    rows = [
        "u1,s1,A,view,2024-01-05 10:00:00,,2024-01-05 10:00:01",  # 1: before anything was wrong
        "u1,s1,B,view,2024-01-05 12:00:00,,2024-01-05 10:00:30",  # 2: two hours before its time
        "u1,s1,C,view,2024-01-05 10:05:00,,2024-01-05 10:05:00",  # 3: the same visit afterwards
        "u1,s2,C,view,2024-01-25 10:00:00,,2024-01-25 10:05:00",  # 4: another visit
        "u2,s3,A,view,2024-01-05 10:09:00,,2024-01-05 10:00:00",  # 5: within the tolerance
        "u3,s4,A,view,2024-01-05 10:00:00,,2024-01-09 10:00:00",  # 6: sent late, as a phone without a network does
        "u4,s5,A,purchase,2024-02-05 10:00:00,7,",  # 7: not known when it was received
    ]
    assert set_aside(clicks(tmp_path, rows)) == {2: "device clock ahead", 3: "device clock ahead"}


STAFF = """
[clean.staff]
ids = ["42"]
patterns = ["^qa-"]
domains = ["shop.example"]
"""


@pytest.mark.parametrize("key", ["", '[privacy]\nkey_file = "key"\n'], ids=["plain ids", "pseudonyms"])
def test_staff_is_known_by_id_pattern_and_domain_even_under_pseudonyms(tmp_path: Path, key: str) -> None:
    (tmp_path / "key").write_bytes(KEY)
    users = ["42.0", "qa-7", "Ann@SHOP.example", "bo@mail.shop.example", "cy@othershop.example", "421", "x-qa-1"]
    rows = [*ROWS, *(f"{20 + at},{user},A,2024-01-06 10:00:00,1,2,apple,DE" for at, user in enumerate(users))]
    found = set_aside(prepare(tmp_path, rows, STAFF + key))
    assert found == dict.fromkeys(range(len(ROWS) + 1, len(ROWS) + 5), "staff or test account")


def test_staff_is_known_by_a_column_beside_the_user_id(tmp_path: Path) -> None:
    rows = [*(f"{row},{'ed@shop.example' if at == 1 else 'who@web.example'}" for at, row in enumerate(ROWS))]
    extra = '[clean.staff]\ndomains = "shop.example"\nraw_columns = "mail"\n'
    prepared = prepare(tmp_path, rows, extra, header="order,customer,sku,when,qty,paid,name,land,mail")
    assert set_aside(prepared) == {2: "staff or test account"}
    assert prepared.manifest.excluded == {"staff or test account": 1}


def test_accounts_that_look_like_tests_are_reported_and_kept(tmp_path: Path) -> None:
    users = ["test_user1", "qa2@web.org", "jo@example.com", "tester-lab@web.org", "contest", "Testa"]
    rows = [*ROWS, *(f"{20 + at},{user},A,2024-01-06 10:00:00,1,2,apple,DE" for at, user in enumerate(users))]
    prepared = prepare(tmp_path, rows)
    assert set_aside(prepared) == {}
    assert codes(prepared)["staff_suspects"] == 3


def views(user: str, number: int, *, day: str, step: float, session: str = "") -> list[str]:
    start = pd.Timestamp(day)
    times = [start + pd.Timedelta(seconds=at * step) for at in range(number)]
    return [f"{user},{session},I{at % 50},view,{time:%Y-%m-%d %H:%M:%S},," for at, time in enumerate(times)]


def test_visitors_faster_than_a_human_are_robots_unless_they_buy(tmp_path: Path) -> None:
    rows = [
        *views("bot", 150, day="2024-01-05 10:00", step=10),
        *views("", 120, day="2024-01-06 10:00", step=5, session="guest"),
        *views("bot", 3, day="2024-01-15", step=4000),
        *views("buyer", 150, day="2024-01-05 10:00", step=10),
        *views("slow", 150, day="2024-01-05 10:00", step=60),
        *views("dates", 150, day="2024-01-05", step=0),
        "buyer,,A,purchase,2024-01-25 10:00:00,1,",
        "slow,,A,purchase,2024-02-25 10:00:00,2,",
    ]
    prepared = clicks(tmp_path, rows, '[clean]\nduplicates = "keep"\n[clean.robots]\nmax_views_per_hour = 100\n')
    assert set_aside(prepared) == dict.fromkeys(range(1, 274), "robot")
    listed = pd.read_parquet(prepared.path / "robots.parquet")
    assert listed[["user_id", "session_id", "events", "most_views_per_hour"]].values.tolist() == [
        ["bot", "", 153, 150],
        ["", "guest", 120, 120],
    ]
    assert codes(prepared)["robots"] == 273
    assert codes(prepared)["fast_buyers"] == 1
    assert prepared.manifest.robots == 2


def test_what_a_robot_does_in_the_test_period_changes_no_training_event(tmp_path: Path) -> None:
    human = ["u1,,A,purchase,2024-01-05 10:00:00,1,", *views("late", 20, day="2024-01-25 10:00", step=60)]
    fast = views("late", 150, day="2024-02-10 10:00", step=5)
    limit = "[clean.robots]\nmax_views_per_hour = 100\n"
    after = [*human, *fast, "u1,,A,view,2024-02-05 10:00:00,,"]
    prepared = clicks(tmp_path, after, limit)
    assert set_aside(prepared) == dict.fromkeys(range(22, 172), "robot")
    assert (prepared.train.events["user_id"] == "late").sum() == 20


BUNDLES = "order,customer,sku,when,qty,paid,name,land,line,parent"
BUNDLE_ROWS = [
    "1,7,SET,2024-01-05,1,9.00,set,DE,11,",
    "1,7,CUP,2024-01-05,1,0,cup,DE,12,11",
    "1,7,POT,2024-01-05,1,0,pot,DE,13,11",
    "1,7,BAG,2024-01-05,1,1,bag,DE,14,99",  # its parent is not there
    "2,8,CUP,2024-02-10,1,3,cup,DE,15,0",
    "3,8,CUP,2024-03-10,1,3,cup,DE,16,",
]


@pytest.mark.parametrize(
    ("keep", "expected"),
    [("parents", {2: "part of a bundle", 3: "part of a bundle"}), ("children", {1: "bundle of other lines"})],
)
def test_bundles_count_once(tmp_path: Path, keep: str, expected: dict[int, str]) -> None:
    extra = f'[clean.bundles]\nline = "line"\nparent = "parent"\nkeep = "{keep}"\n'
    assert set_aside(prepare(tmp_path, BUNDLE_ROWS, extra, header=BUNDLES)) == expected


def test_free_line_of_a_paid_item_is_its_copy_where_the_owner_says_so(tmp_path: Path) -> None:
    rows = [*ROWS, "1,7,A,2024-01-05 10:00:00,1,0,apple,DE", "1,7,Z,2024-01-05 10:00:00,1,0,gift,DE"]
    assert set_aside(prepare(tmp_path / "kept", rows)) == {}
    prepared = prepare(tmp_path, rows, "[clean.bundles]\nfree_copies = false\n")
    assert set_aside(prepared) == {len(ROWS) + 1: "free line of the same item"}


def test_events_older_than_they_may_be_kept_are_dropped(tmp_path: Path) -> None:
    prepared = prepare(tmp_path, ROWS, "[privacy]\nkeep_days = 45\n")  # the log ends on 2 March, 10 o'clock
    assert set_aside(prepared) == {1: "older than keep_days", 2: "older than keep_days"}
    assert prepared.manifest.excluded == {"older than keep_days": 2}


def test_several_titles_of_an_item_are_reported_and_the_most_frequent_one_is_taken(tmp_path: Path) -> None:
    prepared = prepare(tmp_path, ROWS)
    assert codes(prepared)["several_titles"] == 1
    assert prepared.train.items.set_index("item_id").loc["A", "title"] == "apple"


def test_ids_without_their_leading_zeros_are_reported_with_their_column(tmp_path: Path) -> None:
    rows = [
        *ROWS,
        "20,7,00123,2024-01-06,1,2,x,DE",
        "21,7,123,2024-01-06,1,2,x,DE",
        "22,7,1.23E+05,2024-01-06,1,2,x,DE",
    ]
    prepared = prepare(tmp_path, rows)
    notes = {note.code: note.text for note in prepared.manifest.notes}
    assert "column 'sku'" in notes["item_zeros_lost"]
    assert "'123' and '00123'" in notes["item_zeros_lost"]
    assert "column 'sku'" in notes["item_rounded"]
    assert set_aside(prepared) == {len(rows): "rounded item_id"}


def test_ids_that_only_the_catalogue_has_with_zeros_are_reported(tmp_path: Path) -> None:
    rows = [*ROWS, "20,7,4711,2024-01-06,1,2,x,DE"]
    tmp_path.joinpath("items.csv").write_text("id,name\n0004711,lamp\n00815,cup\n")
    recipe = RECIPE.replace(
        '[items.columns]\ntitle = "name"', '[items]\nfiles = "items.csv"\n[items.columns]\nitem_id = "id"'
    )
    notes = {note.code: note.text for note in prepare(tmp_path, rows, recipe=recipe).manifest.notes}
    assert "'4711' and '0004711'" in notes["item_zeros_lost"]


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ('[clean.clock]\nfuture = "drop"\n', "reject, keep"),
        ("[clean.clock]\nmax_minutes_ahead = 0\n", "above 0"),
        ('[clean.clock]\nopened = "someday"\n', "someday"),
        ('[clean.staff]\npatterns = "("\n', "no regular expression"),
        ('[clean.staff]\ndomains = "@shop.example"\n', "behind the @"),
        ('[clean.staff]\nraw_columns = "mail"\n', "patterns and domains"),
        ("[clean.robots]\nmax_views_per_hour = -1\n", "below 0"),
        ('[clean.bundles]\nline = "line"\n', "go together"),
        ("[privacy]\nkeep_days = -1\n", "below 0"),
        (
            '[privacy]\nkey_file = "key"\n[[clean.drop]]\ncolumn = "user_id"\npattern = "^1$"\nreason = "x"\n',
            "makes a pseudonym",
        ),
    ],
)
def test_a_setting_that_cannot_be_meant_is_refused(tmp_path: Path, extra: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        read_recipe(write_small_shop(tmp_path, extra=extra))
