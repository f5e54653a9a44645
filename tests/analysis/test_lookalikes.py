"""Look-alikes: users of the same cloud come first, and chance is called chance."""

import numpy as np
import pandas as pd
import pytest

from tests.analysis.shops import shop
from tfrec.analysis.audiences import UserFacts, find_audience, gather_facts
from tfrec.analysis.interests import measure_interests
from tfrec.analysis.lookalikes import embed_behaviour, find_lookalikes, read_embeddings
from tfrec.errors import ConfigError
from tfrec.schema.json_values import to_json


def world_of_two_clouds(*, distance: float, seed: int = 0):
    rng = np.random.default_rng(seed)
    users = [f"u{n:03d}" for n in range(300)]
    embeddings = rng.normal(size=(300, 8))
    embeddings[:100, 0] += distance
    table = pd.DataFrame({"value": 1.0, "is_seed": np.arange(300) < 50}, index=pd.Index(users, name="user_id"))
    return UserFacts(table.astype({"is_seed": float})), users, embeddings


def test_lookalikes_come_from_the_same_cloud():
    facts, users, embeddings = world_of_two_clouds(distance=6.0)
    seeds = find_audience(facts, expression="is_seed = 1")
    found = find_lookalikes(seeds, user_ids=users, embeddings=embeddings, num=50)
    assert np.mean([user < "u100" for user in found.user_ids]) > 0.95
    assert not set(found.user_ids) & set(seeds.user_ids)
    assert found.auc > 0.85
    assert found.num_seeds == 50
    assert found.is_informative
    assert to_json(found)["num_users"] == 50


def test_lookalikes_admit_that_chance_is_chance():
    is_covered = []
    for seed in range(20):
        facts, users, embeddings = world_of_two_clouds(distance=0.0, seed=seed)
        seeds = find_audience(facts, expression="is_seed = 1")
        found = find_lookalikes(seeds, user_ids=users, embeddings=embeddings, num=10, seed=seed)
        is_covered.append(found.auc_low < 0.5 < found.auc_high)
        assert found.is_informative == (found.auc_low > 0.5)
    assert np.mean(is_covered) >= 0.8


def test_lookalikes_need_matching_embeddings():
    facts, *_ = world_of_two_clouds(distance=6.0)
    audience = find_audience(facts, expression="is_seed = 1")
    with pytest.raises(ConfigError, match=r"\[10, d\]"):
        find_lookalikes(audience, user_ids=[f"u{n}" for n in range(10)], embeddings=np.zeros((3, 2)), num=1)


def test_buyers_are_alike_by_what_they_do_and_care_for():
    rng = np.random.default_rng(0)
    rows = []
    for user in range(200):
        is_eager = user % 2 == 0
        for order in range(6 if is_eager else 1):
            item = "lens" if is_eager else "pan"
            rows.append((f"u{user:03d}", f"o{user}-{order}", item, float(rng.random() * 100), 10.0))
    events = pd.DataFrame(rows, columns=["user_id", "order_id", "item_id", "days", "price"])
    tables = shop(events.to_dict("list"), pd.DataFrame({"item_id": ["lens", "pan"], "category": ["Photo", "Home"]}))
    users, embeddings = embed_behaviour(tables, interests=measure_interests(tables))
    assert embeddings.shape[0] == len(users) == 200
    facts = gather_facts(tables)
    is_seed = [float(name < "u040" and int(name[1:]) % 2 == 0) for name in facts.users.index]
    facts = UserFacts(facts.users.assign(is_seed=is_seed))
    seeds = find_audience(facts, expression="is_seed = 1", min_users=10)
    found = find_lookalikes(seeds, user_ids=users, embeddings=embeddings, num=50)
    assert all(int(user[1:]) % 2 == 0 for user in found.user_ids)


def test_embeddings_are_read_from_columns_of_numbers():
    table = pd.DataFrame({"user_id": ["a", "b"], "x": [1.0, 2.0], "name": ["A", "B"], "y": [0, 1]})
    users, values = read_embeddings(table)
    assert users.tolist() == ["a", "b"] and values.tolist() == [[1.0, 0.0], [2.0, 1.0]]
    with pytest.raises(ConfigError, match="a number in every cell"):
        read_embeddings(table.assign(x=[1.0, np.nan]))
    with pytest.raises(ConfigError, match="there is none"):
        read_embeddings(table[["user_id", "name"]])
