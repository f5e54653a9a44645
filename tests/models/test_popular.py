"""What is popular in a segment, and in these weeks a year ago."""

import numpy as np

from tests.models.fitting import features_of, query_of, sources_of
from tests.worlds import bought, indices, make_shop
from tfrec.models import RetrievalConfig, RetrievalModel
from tfrec.models.source_config import SourceConfig


def test_who_never_bought_gets_what_the_segment_buys():
    """The shop's favourites are those of the north; of the south and of newcomers there little is known but this."""
    north, south = [f"n{number}" for number in range(30)], ["s0", "s1"]
    rows = [row for number in range(20) for row in bought(f"u{number}", number, *north)]
    rows += [row for number in range(4) for row in bought(f"v{number}", 15 + number, *south)]
    segments = {f"u{n}": "north" for n in range(20)} | {f"v{n}": "south" for n in range(4)}
    shop = make_shop(rows, segments={**segments, "new south": "south", "new north": "north", "unknown": ""})
    model = RetrievalModel(shop.vocabularies, RetrievalConfig(embedding_dim=4, use_lstm=False))
    narrow = SourceConfig(**{**dict.fromkeys(vars(SourceConfig()), 1), "popular_segment": 2})
    sources = sources_of(shop, model, narrow, segment_prior=5.0)
    query = query_of(shop, ["new south", "new north", "unknown", ""])
    scores = sources.source_scores(sources.gather_evidence(query))["popular_segment"].numpy()
    of_south, of_north = indices(shop, *south), indices(shop, *north)
    assert set(np.argsort(-scores[0])[:2]) == set(of_south)
    assert set(np.argsort(-scores[1])[:30]) == set(of_north)
    lately = sources.moment.popularity.numpy()[:, 1]
    np.testing.assert_allclose(scores[2:], [lately, lately])  # a segment is unknown: the whole shop
    found = features_of(sources, query, [[of_south[0], of_north[0]]] * 4)
    assert (found["segment_lift"][0] * [1, -1] > 0.5).all() and (found["segment_lift"][1] * [-1, 1] > 0).all()
    assert not found["segment_lift"][2:].any()
    np.testing.assert_allclose(found["bought_segment"][2:], found["bought_28"][2:])
    candidates = sources.candidates(sources.gather_evidence(query)).numpy()
    assert set(of_south) <= set(candidates[0]) and not set(of_south) & set(candidates[1])


def test_what_was_bought_in_these_weeks_a_year_ago_is_popular_again():
    """Candles are bought in December alone; it is the first of December of the second year."""
    rows = [row for day in range(0, 700, 7) for row in bought("ann", day, *(f"i{number}" for number in range(30)))]
    rows += [row for day in range(336, 360, 4) for row in bought("bob", day, "candle")]
    shop = make_shop(rows, test_from_day=700)
    model = RetrievalModel(shop.vocabularies, RetrievalConfig(embedding_dim=4, use_lstm=False))
    sources = sources_of(shop, model)
    candle, plain = indices(shop, "candle", "i0")
    query = query_of(shop, [""])
    score = sources.source_scores(sources.gather_evidence(query))["popular"].numpy()[0]
    assert candle in np.argsort(-score)[:31] and score[candle] > 0
    found = features_of(sources, query, [[candle, plain]])
    np.testing.assert_allclose(found["bought_season"][0], np.log1p([4, 4]), rtol=1e-5)  # days 322 to 350
    assert found["bought_28"][0, 0] == 0 < found["bought_28"][0, 1]
