import numpy as np
import pytest
import tensorflow as tf

from tests.models.fitting import fit_retrieval, query_of, sources_of
from tests.worlds import bought, checkerboard, indices, make_shop, viewed
from tfrec.errors import ConfigError
from tfrec.models import RetrievalConfig, RetrievalModel
from tfrec.pipelines import retrieval

SMALL = RetrievalConfig(embedding_dim=16, id_dropout=0.0, dropout=0.0)


def ranks_of(shop, model, users, *, carts=None, recent=None):
    """Item names by falling inner product with each query."""
    sources = sources_of(shop, model)
    scores = tf.matmul(
        sources.embed_query(query_of(shop, users, carts=carts, recent=recent)),
        sources.candidate_embeddings,
        transpose_b=True,
    ).numpy()
    return [shop.vocabularies.items.decode(row[row > 0]).tolist() for row in np.argsort(-scores, axis=1)]


@pytest.mark.slow
def test_the_item_withheld_from_each_user_comes_first_of_the_new():
    shop, withheld = checkerboard()
    model = fit_retrieval(shop, SMALL, epochs=15)
    users = list(withheld)
    first = []
    bought_by = shop.prepared.train.events.groupby("user_id")["item_id"].agg(set)
    for user, names in zip(users, ranks_of(shop, model, users), strict=True):
        own = bought_by[user]
        first.append(next(name for name in names if name not in own))
    assert np.mean([name == withheld[user] for user, name in zip(users, first, strict=True)]) > 0.9


@pytest.fixture(scope="module")
def order_world():
    """After `a b` comes c, after `b a` comes d: only the order of the last two determines the next."""
    rows = []
    for number in range(80):
        visit = ("a", "b", "c") if number % 2 else ("b", "a", "d")
        rows += viewed("", number / 10, *visit, session=f"s{number}")
    return make_shop(rows)


@pytest.mark.slow
@pytest.mark.parametrize(("use_lstm", "is_known"), [(True, True), (False, False)], ids=["LSTM", "no LSTM"])
def test_the_lstm_alone_knows_in_which_order_things_were_seen(order_world, use_lstm, is_known):
    config = RetrievalConfig(embedding_dim=16, id_dropout=0.0, dropout=0.0, use_lstm=use_lstm)
    model = fit_retrieval(order_world, config, epochs=20)
    names = ranks_of(order_world, model, ["", ""], recent=[["a", "b"], ["b", "a"]])
    next_item = [next(name for name in row if name in "cd") for row in names]
    assert (next_item == ["c", "d"]) == is_known


@pytest.fixture(scope="module")
def picture_world():
    """Ann and her like buy what is bright, Bob and his what is dark; eight items were never sold."""
    rng = np.random.default_rng(0)
    is_bright = np.arange(32) % 2 == 0
    images = rng.integers(0, 60, (32, 6, 6)).astype(np.uint8)
    images[is_bright] += 180
    items = {f"i{number}": {"image_index": number} for number in range(32)}
    rows = []
    for user in range(30):
        liked = np.flatnonzero(is_bright[:24] == (user % 2 == 0))
        for turn, item in enumerate(rng.permutation(liked)[:8]):
            rows += bought(f"u{user}", turn + user / 100, f"i{item}")
    return make_shop(rows, items, images=images)


@pytest.mark.slow
@pytest.mark.parametrize("use_images", [True, False], ids=["pictures", "no pictures"])
def test_pictures_alone_predict_which_unsold_items_are_bought(picture_world, use_images):
    config = RetrievalConfig(
        embedding_dim=16, id_dropout=0.3, dropout=0.0, use_images=use_images, image_filters=(4,), image_features=8
    )
    model = fit_retrieval(picture_world, config, epochs=12)
    unsold = [f"i{number}" for number in range(24, 32)]
    sources = sources_of(picture_world, model)
    queries = sources.embed_query(query_of(picture_world, [f"u{user}" for user in range(30)]))
    scores = tf.matmul(
        queries, tf.gather(sources.candidate_embeddings, indices(picture_world, *unsold)), transpose_b=True
    )
    bright, dark = scores.numpy()[:, ::2], scores.numpy()[:, 1::2]
    likes_bright = np.arange(30) % 2 == 0
    won = np.where(likes_bright, bright.min(axis=1) > dark.max(axis=1), dark.min(axis=1) > bright.max(axis=1))
    assert won.mean() > 0.9 if use_images else won.mean() == 0


@pytest.fixture(scope="module")
def two_orders():
    """One shopper with the orders {a, b}, {c, a}, and another with {d, c}; the model is not trained."""
    shop = make_shop([*bought("ann", 0, "a", "b"), *bought("ann", 1, "c", "a"), *bought("bob", 2, "d", "c")])
    tf.keras.utils.set_random_seed(2)
    model = RetrievalModel(
        shop.vocabularies, RetrievalConfig(embedding_dim=8, temperature=0.5, id_dropout=0, dropout=0)
    )
    for batch in retrieval(shop.train, batch_size=8, sequence_length=4):
        model.compute_loss(batch, training=True)  # every item is met
        return shop, model, batch


def in_batch(share, num_labels):
    """The chance that an item with this share of the labels is among so many of them."""
    return 1 - (1 - np.asarray(share)) ** num_labels


def test_the_loss_is_the_softmax_over_what_is_really_negative(two_orders):
    """Each label of the batch is a rival once, less the probability of being there; those of the own order are none."""
    _, model, batch = two_orders
    queries = model(batch).numpy().reshape(-1, 8)
    embeddings = model.candidate_embeddings()
    label, group, share = (batch[n].numpy().ravel() for n in ("label", "label_group", "label_probability"))
    labelled = np.flatnonzero(label)
    chance = dict(zip(label[labelled], in_batch(share[labelled], len(labelled)), strict=True))
    losses = []
    for at in labelled:
        mates = set(label[labelled][group[labelled] == group[at]])
        rivals = [label[at], *(item for item in chance if item not in mates)]
        logits = queries[at] @ embeddings[rivals].T / 0.5 - np.log([chance[item] for item in rivals])
        losses.append(np.log(np.exp(logits).sum()) - logits[0])
    assert float(model.compute_loss(batch)) == pytest.approx(np.mean(losses), rel=1e-4)


def test_other_lines_of_the_order_are_not_pushed_away(two_orders):
    """A shopper who buys two things at once wants both."""
    shop, model, _ = two_orders
    a, c, d = indices(shop, *"acd")
    batch = {
        "item": tf.constant([[d, d, 0, 0]]),
        "event_type": tf.constant([[4, 4, 0, 0]]),
        "gap": tf.zeros([1, 4], tf.int32),
        "group": tf.constant([[0, 0, 0, 0]]),
        "label": tf.constant([[a, c, 0, 0]]),
        "label_group": tf.constant([[5, 5, 0, 0]]),
        "label_probability": tf.constant([[0.5, 0.5, 0, 0]]),
    }
    apart = {**batch, "label_group": tf.constant([[5, 6, 0, 0]])}
    assert float(model.compute_loss(batch)) == pytest.approx(0, abs=1e-6)  # nothing is left to lose against
    assert float(model.compute_loss(apart)) > 0.1
    same = {**apart, "label": tf.constant([[a, a, 0, 0]])}
    assert float(model.compute_loss(same)) == pytest.approx(0, abs=1e-6)  # accidental hits


def test_the_popular_item_is_not_pushed_away_for_being_popular(two_orders):
    """logQ: a candidate that stands in the batch more often by its popularity counts less as a negative."""
    shop, model, _ = two_orders
    a, c = indices(shop, "a", "c")
    pair = {
        "item": tf.constant([[1, 1]]),
        "event_type": tf.constant([[4, 4]]),
        "gap": tf.zeros([1, 2], tf.int32),
        "group": tf.zeros([1, 2], tf.int32),
        "label": tf.constant([[a, c]]),
        "label_group": tf.constant([[5, 6]]),
    }

    def loss(share):
        return float(model.compute_loss({**pair, "label_probability": tf.constant([share])}))

    query, candidates = model(pair).numpy()[0], model.candidate_embeddings()[[a, c]]
    logits = query @ candidates.T / 0.5 - np.log(in_batch([0.9, 0.1], 2))
    expected = np.mean(np.log(np.exp(logits).sum(axis=1)) - np.diag(logits))
    assert loss([0.9, 0.1]) == pytest.approx(expected, rel=1e-4)
    assert loss([0.9, 0.1]) != pytest.approx(loss([0.5, 0.5]), rel=1e-2)


def test_the_future_of_a_window_reaches_no_earlier_query(two_orders):
    shop, model, batch = two_orders
    d = indices(shop, "d")[0]
    row = np.argmax((batch["item"].numpy() > 0).sum(axis=1))
    changed = batch["item"].numpy().copy()
    changed[row, 2] = d
    before, after = model(batch).numpy(), model({**batch, "item": tf.constant(changed)}).numpy()
    np.testing.assert_array_equal(before[row, :2], after[row, :2])
    assert np.abs(before[row, 2] - after[row, 2]).max() > 1e-4


def test_a_batch_without_labels_costs_nothing(two_orders):
    _, model, batch = two_orders
    nothing = {**batch, "label": tf.zeros_like(batch["label"])}
    assert float(model.compute_loss(nothing)) == 0


def test_row_0_stands_for_no_item(two_orders):
    _, model, _ = two_orders
    candidates, encoded = model.candidate_embeddings(), model.encoded_items()
    assert not candidates[0].any() and not encoded[0].any()
    np.testing.assert_allclose(np.linalg.norm(candidates[1:], axis=1), 1, rtol=1e-5)


def test_written_and_read_it_embeds_the_same(two_orders, tmp_path):
    shop, model, batch = two_orders
    tf.train.Checkpoint(model=model).write(str(tmp_path / "weights"))
    again = RetrievalModel(shop.vocabularies, model.config)
    again.compute_loss(batch)
    assert not np.allclose(again(batch), model(batch))
    tf.train.Checkpoint(model=again).read(str(tmp_path / "weights")).assert_existing_objects_matched()
    np.testing.assert_array_equal(again(batch), model(batch))
    np.testing.assert_array_equal(again.candidate_embeddings(), model.candidate_embeddings())


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"embedding_dim": 0}, "`embedding_dim` and `temperature` must be positive"),
        ({"temperature": 0.0}, "`embedding_dim` and `temperature` must be positive"),
        ({"dropout": 1.0}, r"`dropout` must lie in \[0, 1\)"),
        ({"id_dropout": -0.1}, r"`id_dropout` must lie in \[0, 1\)"),
    ],
    ids=["no width", "no temperature", "all dropped", "negative share"],
)
def test_settings_out_of_range_say_so(settings, words):
    with pytest.raises(ConfigError, match=words):
        RetrievalConfig(**settings)
