import numpy as np
import pytest
import tensorflow as tf

from tfrec.errors import ConfigError
from tfrec.models.ranking import ListwiseSoftmax, PointwiseCrossEntropy, RankingConfig, RankingModel
from tfrec.models.sources.registry import FEATURES
from tfrec.pipelines import RankingExamples, ranking, store_examples

F = len(FEATURES)


def test_the_listwise_loss_by_hand():
    """Three candidates and a gap, the first and third chosen."""
    scores = np.log([1.0, 2.0, 5.0, 100.0])
    loss = ListwiseSoftmax()(tf.constant([[1.0, 0, 1, -1]]), tf.constant([scores], tf.float32))
    assert float(loss) == pytest.approx(-(np.log(1 / 8) + np.log(5 / 8)) / 2, rel=1e-5)


def test_what_is_no_candidate_moves_neither_loss():
    labels = tf.constant([[1.0, 0, -1], [0, 0, -1]])
    for loss in (ListwiseSoftmax(), PointwiseCrossEntropy()):
        low, high = (float(loss(labels, tf.constant([[1.0, 2, gap]] * 2))) for gap in (-50.0, 50.0))
        assert low == pytest.approx(high, rel=1e-6)


def test_a_list_where_nothing_was_chosen_costs_nothing():
    assert float(ListwiseSoftmax()(tf.constant([[0.0, 0, -1]]), tf.constant([[1.0, 2, 3]]))) == 0


def test_the_pointwise_loss_by_hand():
    loss = PointwiseCrossEntropy()(tf.constant([[1.0, 0, -1]]), tf.constant([[0.0, np.log(3.0), 9]], tf.float32))
    assert float(loss) == pytest.approx(-np.log(1 / 2) - np.log(1 / 4), rel=1e-5)


@pytest.mark.parametrize("loss", [ListwiseSoftmax(name="l"), PointwiseCrossEntropy(name="p")], ids=["list", "point"])
def test_the_config_makes_the_same_loss(loss):
    again = type(loss).from_config(loss.get_config())
    assert again.get_config() == loss.get_config() and again.name == loss.name


def examples_of(size=600, *, seed=0, width=8):
    """Of each list the candidate with the greatest feature 3 is bought; those with a positive feature 5 are clicked."""
    rng = np.random.default_rng(seed)
    features = np.zeros((size, width, F), np.float32)
    features[:, :, :8] = rng.normal(size=(size, width, 8))
    features[:, :, 7] *= 1000  # a wild scale without information
    is_candidate = np.ones((size, width), bool)
    is_candidate[:, -2:] = rng.random((size, 2)) < 0.5
    features[~is_candidate] = 99.0  # what stands in the gaps must not matter
    bought = np.where(is_candidate, features[:, :, 3], -np.inf)
    labels = np.stack([features[:, :, 5] > 0, bought == bought.max(axis=1, keepdims=True)], axis=-1)
    labels &= is_candidate[..., None]
    return RankingExamples(features, is_candidate, labels, labels[..., -1], ("click", "purchase"))


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    tf.keras.utils.set_random_seed(0)
    folder = tmp_path_factory.mktemp("lists") / "600"
    examples = store_examples(folder, [examples_of()], heads=("click", "purchase"), num_features=F)
    model = RankingModel(("click", "purchase"), RankingConfig(hidden=(16,), dropout=0.0))
    model.adapt(examples.moments.mean, examples.moments.variance)
    model.compile(optimizer=tf.keras.optimizers.Adam(0.01))
    model.fit(ranking(examples, batch_size=32), epochs=12, verbose=0)
    return model


def test_what_is_bought_rises_to_the_top(fitted):
    unseen = examples_of(200, seed=1)
    score, _ = fitted(tf.constant(unseen.features))
    first = np.where(unseen.is_candidate, score, -np.inf).argmax(axis=1)
    assert unseen.labels[np.arange(200), first, 1].mean() > 0.85


def test_probabilities_mean_what_they_say(fitted):
    """Half of the candidates are clicked, one in about seven is bought; and the heads know which."""
    unseen = examples_of(400, seed=2)
    _, logits = fitted(tf.constant(unseen.features))
    probability, happened = tf.sigmoid(logits).numpy()[unseen.is_candidate], unseen.labels[unseen.is_candidate]
    assert probability.mean(axis=0) == pytest.approx(happened.mean(axis=0), abs=0.05)
    for head in range(2):
        sure = probability[:, head] > 0.8
        assert sure.sum() > 50 and happened[sure, head].mean() > 0.75


def test_a_candidate_is_scored_by_itself(fitted):
    """Neither its neighbours in the list nor its place change its score."""
    features = tf.constant(examples_of(2).features)
    score, logits = fitted(features)
    backwards, _ = fitted(features[:, ::-1])
    alone, its_logits = fitted(features[:1, 3:4])
    np.testing.assert_allclose(score[:, ::-1], backwards, rtol=1e-5)
    np.testing.assert_allclose(alone[0, 0], score[0, 3], rtol=1e-5)
    np.testing.assert_allclose(its_logits[0, 0], logits[0, 3], rtol=1e-4)


def test_one_wild_value_does_not_decide(fitted):
    calm = examples_of(1).features[:, :1].copy()
    wild, wilder = calm.copy(), calm.copy()
    wild[..., 3], wilder[..., 3] = 1e3, 1e9
    np.testing.assert_allclose(fitted(tf.constant(wild))[0], fitted(tf.constant(wilder))[0], rtol=1e-5)


def test_features_are_standardised_as_the_examples_were():
    model = RankingModel(("purchase",))
    rng = np.random.default_rng(0)
    features = rng.normal(5, 3, (500, F)).astype(np.float32)
    features[:, 2] = 4.0  # never varied: no weight of it is learned, so whatever it is later says nothing
    model.adapt(features.mean(axis=0), features.var(axis=0))
    standard = model.standardise(tf.constant(features)).numpy()
    np.testing.assert_allclose(standard.mean(axis=0), 0, atol=1e-3)
    np.testing.assert_allclose(np.delete(standard, 2, axis=1).std(axis=0), 1, atol=1e-3)
    assert model.standardise(tf.fill([1, F], 5.5)).numpy()[0, 2] == 0


def test_a_model_without_cross_layers_works():
    model = RankingModel(("purchase",), RankingConfig(cross_layers=0, hidden=(4,)))
    score, logits = model(tf.zeros([2, 3, F]))
    assert score.shape == (2, 3) and logits.shape == (2, 3, 1)


def test_before_training_following_is_rare():
    _, logits = RankingModel(("purchase",))(tf.zeros([1, 1, F]))
    assert float(tf.sigmoid(logits)[0, 0, 0]) == pytest.approx(0.0067, abs=1e-3)


def test_other_features_are_refused():
    with pytest.raises(ValueError, match=rf"\[b, C, {F}\] features"):
        RankingModel(("purchase",))(tf.zeros([2, 3, F - 1]))


def test_written_and_read_it_scores_the_same(fitted, tmp_path):
    tf.train.Checkpoint(model=fitted).write(str(tmp_path / "weights"))
    again = RankingModel(fitted.heads, fitted.config)
    features = tf.constant(examples_of(4).features)
    assert not np.allclose(again(features)[0], fitted(features)[0])
    tf.train.Checkpoint(model=again).read(str(tmp_path / "weights")).assert_existing_objects_matched()
    for mine, its in zip(again(features), fitted(features), strict=True):
        np.testing.assert_array_equal(mine, its)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"cross_layers": -1}, "`cross_layers` must not be negative"),
        ({"hidden": ()}, "`hidden` must name positive widths"),
        ({"hidden": (8, 0)}, "`hidden` must name positive widths"),
        ({"dropout": 1.0}, r"`dropout` must lie in \[0, 1\)"),
    ],
    ids=["negative", "no layers", "no width", "all dropped"],
)
def test_settings_out_of_range_say_so(settings, words):
    with pytest.raises(ConfigError, match=words):
        RankingConfig(**settings)


def test_a_model_without_heads_is_refused():
    with pytest.raises(ConfigError, match="such as 'purchase'"):
        RankingModel(())
