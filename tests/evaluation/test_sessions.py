import numpy as np
import pandas as pd
import pytest

from tests.evaluation.small_shop import tables
from tfrec.evaluation.sessions import events_sent, next_item_cases, upsell_cases, without_visit

ITEMS = {"cheap": "Cameras", "middle": "Cameras", "dear": "Cameras", "bag": "Bags", "case": "Bags"}
PRICES = {"cheap": 100, "middle": 200, "dear": 300, "bag": 20, "case": 10}
PAST = [("s0", "", f"2024-01-01 10:0{minute}", "view", item) for minute, item in enumerate(ITEMS)]


def shop(clicks):
    return tables(ITEMS, clicks=[*PAST, *clicks], prices=PRICES)


@pytest.fixture
def walk():
    return shop(
        [
            ("s1", "ann", "2024-03-01 10:00", "view", "cheap"),
            ("s2", "", "2024-03-01 10:01", "view", "bag"),  # another session in between
            ("s1", "ann", "2024-03-01 11:00", "view", "bag"),
            ("s1", "ann", "2024-03-01 11:30", "cart", "bag"),
            ("s1", "ann", "2024-03-01 12:00", "view", "stranger"),
            ("s1", "ann", "2024-03-01 13:00", "view", "cheap"),
        ]
    )


def test_every_click_after_the_first_is_asked_with_the_session_before_it(walk):
    cases = next_item_cases(*walk)
    asked = [cases.item_ids[truth[0]] for truth in cases.truths]
    before = [[cases.item_ids[item] for item in row if item >= 0] for row in cases.recent]
    assert asked == ["bag", "cheap"]  # a cart event is context, a stranger is a guest
    assert before == [["cheap"], ["cheap", "bag", "bag"]]
    assert [kind for kind in cases.recent_types[1] if kind] == ["view", "view", "cart"]
    assert cases.recent_ages[1][-3:].tolist() == [1.5, 0.5, 0]  # asked as the latest event's page loads
    assert cases.is_new.tolist() == [True, False]  # the second was seen in the session already
    assert cases.is_cross_category.tolist() == [True, False]


def test_the_first_click_is_asked_for_as_the_shopper_comes_in(walk):
    later, cases = next_item_cases(*walk), next_item_cases(*walk, with_first=True)
    asked = [cases.item_ids[truth[0]] for truth in cases.truths]
    assert asked == ["cheap", "bag", "cheap", "bag"]  # ann's visit, then the guest's
    assert events_sent(cases).tolist() == [0, 1, 3, 0]
    assert cases.timestamps[[0, 3]].tolist() == pd.to_datetime(["2024-03-01 10:00", "2024-03-01 10:01"]).tolist()
    rest = cases[events_sent(cases) > 0]
    assert rest.to_queries().equals(later.to_queries())
    assert rest.is_new.tolist() == later.is_new.tolist()


def test_a_query_without_its_visit_says_who_asks_and_no_more(walk):
    cases = next_item_cases(*walk)
    silent = without_visit(cases)
    assert events_sent(silent).tolist() == [0, 0]
    queries = silent.to_queries()
    assert queries["user_id"].tolist() == ["ann", "ann"]
    assert queries["recent_item_ids"].map(len).tolist() == [0, 0]
    assert silent.contexts.nnz == 0
    assert silent.truths.tolist() == cases.truths.tolist()  # what is to be found stays


def test_only_the_latest_events_are_context(walk):
    cases = next_item_cases(*walk, max_length=2)
    assert [[cases.item_ids[item] for item in row if item >= 0] for row in cases.recent] == [["cheap"], ["bag", "bag"]]


def test_session_queries_carry_the_recent_events(walk):
    queries = next_item_cases(*walk).to_queries()
    assert queries["recent_item_ids"].map(list).tolist() == [["cheap"], ["cheap", "bag", "bag"]]
    assert queries["recent_event_types"].map(list).tolist() == [["view"], ["view", "view", "cart"]]
    assert queries["recent_ages"].map(list).tolist() == [[0.0], [1.5, 0.5, 0.0]]
    assert "cart_item_ids" not in queries


def test_upsell_asks_for_the_next_dearer_item_of_the_category():
    steps = [("view", "cheap"), ("view", "bag"), ("view", "dear"), ("view", "middle"), ("purchase", "dear")]
    cases = upsell_cases(
        *shop([("s1", "", f"2024-03-01 10:0{at}", kind, item) for at, (kind, item) in enumerate(steps)])
    )
    anchors = cases.item_ids[cases.anchors].tolist()
    truths = cases.item_ids[cases.truths[:, 0]].tolist()
    assert list(zip(anchors, truths, strict=True)) == [("cheap", "dear"), ("middle", "dear")]
    ranked = [set(cases.item_ids[cases.candidates[row].indices]) for row in range(2)]
    assert ranked == [{"middle", "dear"}, {"dear"}]
    queries = cases.to_queries()
    assert queries["item_id"].tolist() == anchors
    assert queries["recent_item_ids"].map(list).tolist()[1][-1] == "middle"


def test_a_cheaper_or_earlier_or_strange_item_is_no_upgrade():
    cases = upsell_cases(
        *shop([("s1", "", f"2024-03-01 10:0{at}", "view", item) for at, item in enumerate(["dear", "cheap", "bag"])])
    )
    assert len(cases) == 0
    assert cases.to_queries().empty


def test_a_shop_without_sessions_has_no_cases():
    train, test = tables(ITEMS, [("o1", "ann", "2024-01-01", ["bag"]), ("o2", "ann", "2024-03-01", ["bag", "case"])])
    assert len(next_item_cases(train, test)) == 0
    assert len(upsell_cases(train, test)) == 0


def test_sessions_match_a_walk_event_by_event():
    rng = np.random.default_rng(0)
    names = list(ITEMS)
    clicks = [
        (f"s{rng.integers(1, 9)}", "", f"2024-03-01 10:{minute:02d}", "view", names[rng.integers(5)])
        for minute in range(60)
    ]
    cases = next_item_cases(*shop(clicks), max_length=4)
    expected, past = {}, {}
    for session, _, _, _, item in clicks:
        before = past.setdefault(session, [])
        if before:
            expected[f"{session}:{len(before)}"] = (item, before[-4:])
        past[session] = [*before, item]
    got = {
        name: (cases.item_ids[truth[0]], [cases.item_ids[item] for item in row if item >= 0])
        for name, truth, row in zip(cases.query_ids, cases.truths, cases.recent, strict=True)
    }
    assert got == expected
