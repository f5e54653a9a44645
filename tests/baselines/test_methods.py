import dataclasses
import sys

import numpy as np
import pandas as pd
import pytest
import scipy.sparse

from tests.evaluation.small_shop import tables
from tfrec.baselines import (
    CART_BASELINES,
    SESSION_BASELINES,
    UPSELL_BASELINES,
    Blend,
    Bm25,
    CoPurchaseCosine,
    Ease,
    ImplicitAls,
    ItemKnn,
    MarkovChain,
    PersonalFrequency,
    Popularity,
    RecentPopularity,
    Rp3Beta,
    RuleConfidence,
    RuleLift,
    TifuKnn,
    UpCf,
    UserKnn,
    VmisKnn,
)
from tfrec.baselines.history import order_history, session_history
from tfrec.baselines.nearest import strongest_per_row
from tfrec.errors import ConfigError, EnvironmentSetupError
from tfrec.evaluation.metrics import rank_by_scores
from tfrec.evaluation.protocol import cart_completion_cases
from tfrec.evaluation.sessions import next_item_cases

NUM_ITEMS = 16
ITEMS = {f"i{item:02d}": ["even", "odd"][item % 2] for item in range(NUM_ITEMS)}


@pytest.fixture(scope="module")
def checkerboard():
    """Even users buy even items and odd users odd ones, each time all but one; in the test all are in one order."""
    names = list(ITEMS)
    past = [
        (f"o{user}-{day}", f"u{user}", f"2024-01-{day + 1:02d}", [n for n in names[user % 2 :: 2] if n != left_out])
        for user in range(16)
        for day in range(2)
        for left_out in [names[user]]
    ]
    return past, [(f"t{user}", f"u{user}", "2024-03-01", names[user % 2 :: 2]) for user in range(16)]


@pytest.fixture(scope="module")
def carts(checkerboard):
    """All items of a colour but the hidden one are in the cart."""
    past, test = checkerboard
    train, test = tables(ITEMS, [*past, *test])
    cases = cart_completion_cases(train, test, seed=0)
    return order_history(train, cases.item_ids), cases


BY_PATTERN = {
    "rule confidence": RuleConfidence(),
    "rule lift": RuleLift(),
    "co-purchase cosine": CoPurchaseCosine(),
    "EASE": Ease(l2=5.0),
    "EASE in neighbourhoods": Ease(l2=5.0, dense_limit=1),
    "EASE + personal": Blend(Ease(l2=5.0), PersonalFrequency(then_popular=False)),
    "ItemKNN": ItemKnn(),
    "BM25": Bm25(),
    "P3α": Rp3Beta(beta=0.0),
    "RP3β": Rp3Beta(),
    "UserKNN": UserKnn(num_neighbours=8),
    "UP-CF": UpCf(),
    "TIFU-KNN": TifuKnn(num_neighbours=8),
    "implicit ALS": ImplicitAls(factors=2),
}


@pytest.mark.parametrize("baseline", BY_PATTERN.values(), ids=BY_PATTERN.keys())
def test_the_withheld_item_of_the_own_colour_comes_first(carts, baseline):
    """The cart holds every other item of the user's colour, so the one left is the best answer there is."""
    if isinstance(baseline, ImplicitAls):
        pytest.importorskip("implicit", reason="needs the extra `benchmarks`")
    history, cases = carts
    ranks = rank_by_scores(baseline.fit(history), cases).ranks
    assert ranks.tolist() == [[1]] * 16


@pytest.mark.parametrize("baseline", BY_PATTERN.values(), ids=BY_PATTERN.keys())
def test_a_guest_gets_an_answer_to_a_cart(carts, baseline):
    if isinstance(baseline, ImplicitAls):
        pytest.importorskip("implicit", reason="needs the extra `benchmarks`")
    history, cases = carts
    guests = dataclasses.replace(cases, user_ids=np.full(len(cases), "", object))
    assert rank_by_scores(baseline.fit(history), guests).ranks.max() == 1


def test_popularity_is_what_most_orders_hold_and_recent_what_the_latest_do():
    orders = [(f"o{day}", "", f"2024-01-{day:02d}", ["old"]) for day in range(1, 9)]
    orders += [("o20", "", "2024-01-30", ["fresh"]), ("o21", "", "2024-01-30", ["fresh", "both"])]
    orders += [("t1", "", "2024-03-01", ["old", "fresh"])]
    train, test = tables({"old": "", "fresh": "", "both": ""}, orders)
    cases = cart_completion_cases(train, test, seed=0)
    history = order_history(train, cases.item_ids)
    best = [history.item_ids[model.fit(history)(cases)[0].argmax()] for model in (Popularity(), RecentPopularity(7.0))]
    assert best == ["old", "fresh"]
    with pytest.raises(ConfigError, match="above 0"):
        RecentPopularity(days=0).fit(history)


def test_personal_frequency_counts_orders_then_asks_what_is_popular():
    orders = [("o1", "ann", "2024-01-01", ["a", "b", "b"]), ("o2", "ann", "2024-01-02", ["a"])]
    orders += [(f"p{at}", "", "2024-01-03", ["c"]) for at in range(9)]
    orders += [("t1", "ann", "2024-03-01", ["a", "d"]), ("t2", "", "2024-03-01", ["a", "b"])]
    train, test = tables(dict.fromkeys("abcd", ""), [("o0", "", "2024-01-01", ["d"]), *orders])
    cases = cart_completion_cases(train, test, seed=0)
    history = order_history(train, cases.item_ids)
    scores = PersonalFrequency().fit(history)(cases)
    order = ["".join(history.item_ids[np.argsort(-row)]) for row in scores]
    assert order == ["abcd", "cabd"]  # the guest sees what is popular


def test_a_blend_leaves_guests_to_the_method_that_can_answer():
    orders = [("o1", "ann", "2024-01-01", ["a", "b"]), ("o2", "ann", "2024-01-02", ["a", "b", "c"])]
    train, test = tables(dict.fromkeys("abc", ""), [*orders, ("t1", "", "2024-03-01", ["a", "b"])])
    cases = cart_completion_cases(train, test, seed=0)
    history = order_history(train, cases.item_ids)
    blend = Blend(CoPurchaseCosine(), PersonalFrequency(then_popular=False), share=0.8).fit(history)(cases)
    alone = CoPurchaseCosine().fit(history)(cases)
    alone = alone if isinstance(alone, np.ndarray) else alone.toarray()
    assert (np.argsort(-blend) == np.argsort(-alone)).all()
    with pytest.raises(ConfigError, match=r"in \[0, 1\]"):
        Blend(Ease(), Popularity(), share=1.5).fit(history)


@pytest.fixture(scope="module")
def round_trips():
    """Every session walks a ring of six items: after item i comes item i + 1; there are two rings."""
    names = [f"{ring}{place}" for ring in "ab" for place in range(6)]
    walks = [(f"s{at:02d}", f"2024-01-{at % 28 + 1:02d}", at, 4) for at in range(30)]
    walks += [(f"x{at}", "2024-03-01", at, 3) for at in range(8)]
    clicks = [
        (session, "", f"{day} 10:0{step}", "view", f"{'ab'[at % 2]}{(at + step) % 6}")
        for session, day, at, length in walks
        for step in range(length)
    ]
    train, test = tables(dict.fromkeys(names, ""), clicks=clicks)
    cases = next_item_cases(train, test)
    return session_history(train, cases.item_ids), cases


def test_a_markov_chain_knows_the_next_step(round_trips):
    history, cases = round_trips
    assert (rank_by_scores(MarkovChain().fit(history), cases).ranks == 1).all()


def test_nearest_sessions_stay_on_the_ring(round_trips):
    history, cases = round_trips
    top = rank_by_scores(VmisKnn(num_neighbours=5).fit(history), cases, k=3).top
    rings = np.array([name[0] for name in history.item_ids])
    assert (rings[top] == rings[cases.truths]).all()


def test_of_equally_near_sessions_the_latest_counts():
    clicks = []
    for day, then in [(1, "old"), (20, "fresh")]:
        clicks += [
            (f"s{day}", "", f"2024-01-{day:02d} 10:00", "view", "start"),
            (f"s{day}", "", f"2024-01-{day:02d} 10:01", "view", then),
        ]
    clicks += [("x", "", "2024-03-01 10:00", "view", "start"), ("x", "", "2024-03-01 10:01", "view", "fresh")]
    train, test = tables(dict.fromkeys(["start", "old", "fresh"], ""), clicks=clicks)
    cases = next_item_cases(train, test)
    history = session_history(train, cases.item_ids)
    scores = VmisKnn(num_neighbours=1).fit(history)(cases).toarray()
    assert dict(zip(history.item_ids, scores[0] > 0, strict=True)) == {"start": False, "old": False, "fresh": True}


@pytest.mark.parametrize("baseline", [MarkovChain(), VmisKnn()], ids=["Markov chain", "VMIS-kNN"])
def test_a_method_of_sequences_says_that_it_needs_sessions(carts, baseline):
    with pytest.raises(ConfigError, match="session_history"):
        baseline.fit(carts[0])


def test_tifu_weighs_the_latest_groups_more():
    orders = [(f"o{day}", "ann", f"2024-01-{day:02d}", ["early" if day <= 7 else "late"]) for day in range(1, 15)]
    orders += [("b", "bob", "2024-01-01", ["other"]), ("t1", "ann", "2024-03-01", ["early", "late"])]
    train, test = tables(dict.fromkeys(["early", "late", "other"], ""), orders)
    cases = cart_completion_cases(train, test, seed=0)
    history = order_history(train, cases.item_ids)
    scores = TifuKnn(own_share=1.0, cart_weight=0.0).fit(history)(cases)[0]
    got = dict(zip(history.item_ids, scores, strict=True))
    weights = sum(0.9**back for back in range(7)) / 7
    assert got["late"] == pytest.approx(weights / 2, rel=1e-5)
    assert got["early"] == pytest.approx(0.7 * weights / 2, rel=1e-5)


def test_the_strongest_cells_of_each_row_are_kept():
    dense = np.random.default_rng(0).normal(size=(40, 30)) * (np.random.default_rng(1).random((40, 30)) < 0.4)
    kept, same = strongest_per_row(scipy.sparse.csr_matrix(dense), k=4)
    expected = np.where((dense >= np.sort(dense, axis=1)[:, -4:-3]) & (dense > 0), dense, 0)
    np.testing.assert_array_equal(kept.toarray(), expected)
    np.testing.assert_array_equal(same, kept.data)


def test_orders_without_a_name_are_baskets_of_their_own():
    train, _ = tables(
        dict.fromkeys("ab", ""), [("", "ann", "2024-01-01", ["a", "b"]), ("o", "ann", "2024-01-02", ["a"])]
    )
    history = order_history(train, pd.Index(["a", "b"]))
    assert history.baskets.toarray().tolist() == [[1, 0], [0, 1], [1, 0]]
    assert history.user_counts.toarray().tolist() == [[2, 1], [0, 0]]


def test_the_factors_of_a_cart_are_those_that_the_library_solves_for(carts):
    als = pytest.importorskip("implicit.cpu.als", reason="needs the extra `benchmarks`")
    history, cases = carts
    library = als.AlternatingLeastSquares(
        factors=3, regularization=0.1, alpha=5.0, iterations=15, random_state=1, dtype=np.float32
    )
    library.fit(history.baskets, show_progress=False)
    solved = library.recalculate_user(np.arange(len(cases)), cases.contexts)
    found = ImplicitAls(factors=3, alpha=5.0, l2=0.1, seed=1).fit(history)(cases)
    np.testing.assert_allclose(found, solved @ library.item_factors.T, rtol=1e-3, atol=1e-4)


def test_a_missing_library_is_named(carts, monkeypatch):
    monkeypatch.setitem(sys.modules, "implicit.cpu.als", None)
    with pytest.raises(EnvironmentSetupError, match=r"the extra `benchmarks`"):
        ImplicitAls().fit(carts[0])


def test_the_eight_baselines_of_the_protocol_are_there():
    assert len(CART_BASELINES) == 8
    assert {"popularity", "Markov chain"} <= set(SESSION_BASELINES) & set(UPSELL_BASELINES)
