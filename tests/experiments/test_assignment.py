import numpy as np
import pandas as pd
import pytest

from tfrec.errors import ConfigError, SchemaError
from tfrec.experiments.assignment import SHARE, assign, check_sample_ratio, entered, stated_shares
from tfrec.schema.arms import hash_uniform

# printf welcome:u1 | sha256sum | cut -c1-16
SHA_WELCOME_U1 = "66b5174eb9fba54b"
USERS = [f"u{i}" for i in range(20_000)]


def test_hash_is_the_documented_one_so_that_other_languages_agree():
    assert hash_uniform(["u1"], salt="welcome")[0] == pytest.approx(int(SHA_WELCOME_U1, 16) / 2**64, abs=1e-15)


def test_shares_come_out_and_an_assignment_never_changes():
    arms = assign(USERS, salt="welcome", shares={"control": 0.2, "men": 0.3, "women": 0.5})
    shares = {name: float((arms == name).mean()) for name in ("control", "men", "women")}
    assert shares == pytest.approx({"control": 0.2, "men": 0.3, "women": 0.5}, abs=0.01)
    again = assign(USERS[::-1], salt="welcome", shares={"control": 0.2, "men": 0.3, "women": 0.5})
    assert (again[::-1] == arms).all()


def test_two_experiments_split_independently():
    one, two = assign(USERS, salt="one") == "treatment", assign(USERS, salt="two") == "treatment"
    assert abs(np.corrcoef(one, two)[0, 1]) < 0.03


def test_ramping_up_moves_no_user_between_arms():
    small = assign(USERS, salt="ramp", shares={"control": 0.1, "treatment": 0.1})
    large = assign(USERS, salt="ramp", shares={"control": 0.1, "treatment": 0.4})
    assert (large[small == "control"] == "control").all()
    assert (large[small == "treatment"] == "treatment").all()
    assert (small == "").mean() == pytest.approx(0.8, abs=0.02)


def test_lost_users_raise_the_alarm_and_fair_splits_do_not():
    assert check_sample_ratio({"control": 50_000, "treatment": 48_500}).is_alarm
    assert not check_sample_ratio({"control": 50_000, "treatment": 49_800}).is_alarm
    fair = check_sample_ratio({"a": 1000, "b": 9100}, shares={"a": 0.1, "b": 0.9})
    assert not fair.is_alarm


def test_alarm_rate_on_fair_splits_is_the_threshold_and_peeking_stays_below_it():
    rng = np.random.default_rng(0)
    single = peeking = 0
    for _ in range(1000):
        counts = np.cumsum(rng.binomial(2000, 0.5, size=20))
        checks = [check_sample_ratio({"a": int(c), "b": 2000 * (i + 1) - int(c)}, threshold=0.05)
                  for i, c in enumerate(counts)]  # fmt: skip
        single += checks[-1].is_alarm
        peeking += min(check.sequential_p_value for check in checks) < 0.05
    assert 0.03 <= single / 1000 <= 0.07
    assert peeking / 1000 <= 0.05


def test_errors_name_the_cause():
    with pytest.raises(ConfigError, match="salt"):
        assign(USERS, salt="")
    with pytest.raises(ConfigError, match="sum to at most 1"):
        assign(USERS, salt="x", shares={"a": 0.7, "b": 0.7})
    with pytest.raises(SchemaError, match="two arms"):
        check_sample_ratio({"a": 3})


def test_who_has_no_arm_never_entered():
    table = pd.DataFrame({"arm": ["a", None, " ", "b", np.nan]})
    inside, blank = entered(table)
    assert inside["arm"].tolist() == ["a", "b"]
    assert blank == 3
    assert entered(table, is_blank_an_arm=True)[0]["arm"].tolist() == ["a", "", "", "b", ""]
    assert entered(pd.DataFrame({"arm": [0.0, 1.0, np.nan]}))[0]["arm"].tolist() == ["0", "1"]
    with pytest.raises(SchemaError, match="No user has an arm"):
        entered(pd.DataFrame({"arm": [None, ""]}))


def test_shares_are_read_from_the_assignment():
    table = pd.DataFrame({"arm": ["a", "a", "b"], SHARE: [0.8, 0.8, 0.2]})
    assert stated_shares(table) == {"a": 0.8, "b": 0.2}
    assert stated_shares(table[["arm"]]) is None
    for wrong in ([0.8, 0.7, 0.2], [0.8, 0.8, 0.0], [0.8, 0.8, np.nan]):
        with pytest.raises(SchemaError, match="one share above 0"):
            stated_shares(table.assign(**{SHARE: wrong}))
