import numpy as np
import pytest

from tests.models.fitting import query_of, sources_of
from tests.worlds import bought, checkerboard, indices, make_shop, viewed
from tfrec.models import RetrievalConfig, RetrievalModel


def test_the_next_step_of_a_visit_counts_from_the_latest_item():
    rows = [row for number in range(9) for row in viewed("", number, "a", "b", session=f"s{number}")]
    rows += [row for number in range(9) for row in viewed("", number + 20, "c", "d", session=f"t{number}")]
    shop = make_shop([*rows, *bought("ann", 40, "e")])
    model = RetrievalModel(shop.vocabularies, RetrievalConfig(embedding_dim=4, use_lstm=False))
    evidence = sources_of(shop, model).gather_evidence(query_of(shop, ["", ""], recent=[["c", "a"], ["a", "c"]]))
    b, d = indices(shop, "b", "d")
    session, sequence, transition, before = np.moveaxis(evidence.by_source["session"]["weights"].numpy(), -1, 0)
    assert transition[:, [b, d]] == pytest.approx(np.array([[9 / 14, 0], [0, 9 / 14]]), rel=1e-3)
    assert before[:, [b, d]] == pytest.approx(np.array([[0, 9 / 14], [9 / 14, 0]]), rel=1e-3)
    for column in (session, sequence):
        assert column[0, b] > column[0, d] > 0 and column[1, d] > column[1, b] > 0


def test_sequential_rules_fall_with_the_steps_ahead_and_with_the_age_of_the_event():
    rows = [row for number in range(9) for row in viewed("", number, "a", "b", "c", "d", session=f"s{number}")]
    shop = make_shop([*rows, *bought("ann", 40, "e"), *viewed("", 41, "f", session="of f alone")])
    model = RetrievalModel(shop.vocabularies, RetrievalConfig(embedding_dim=4, use_lstm=False))
    evidence = sources_of(shop, model).gather_evidence(query_of(shop, ["", ""], recent=[["a"], ["a", "f"]]))
    sequence = evidence.by_source["session"]["weights"].numpy()[..., 1]
    ahead = np.array([1, 1 / 2, 1 / 3]) * 9 / 14
    assert sequence[0, indices(shop, "b", "c", "d")] == pytest.approx(ahead, rel=1e-3)  # weights are of half precision
    assert sequence[1, indices(shop, "b", "c", "d")] == pytest.approx(0.8 * ahead, rel=1e-3)  # seen one event ago


@pytest.mark.parametrize("source", ["history", "cart"])
def test_item_weights_find_what_was_withheld(source):
    """Of the items new to a user, what the user's past (or the same items in a cart) contributes most to."""
    shop, withheld = checkerboard()
    model = RetrievalModel(shop.vocabularies, RetrievalConfig(embedding_dim=4, use_lstm=False))
    own = shop.prepared.train.events.groupby("user_id")["item_id"].agg(lambda items: sorted(set(items)))
    if source == "history":
        query = query_of(shop, list(withheld))
    else:
        query = query_of(shop, [""] * len(withheld), carts=[own[user] for user in withheld])
    sources = sources_of(shop, model, l2=5.0)
    score = sources.source_scores(sources.gather_evidence(query))[source]
    for row, (user, hidden) in enumerate(withheld.items()):
        new = indices(shop, *(item for item in shop.vocabularies.items.tokens if item not in own[user]))
        best = new[int(np.argmax(score.numpy()[row, new]))]
        assert shop.vocabularies.items.decode(best) == hidden
