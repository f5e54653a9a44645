import numpy as np

from tfrec.schema.plain_values import to_plain
from tfrec.statistics.two_samples import compare_means


def test_json_has_plain_numbers_and_no_nan():
    plain = to_plain(compare_means(np.array([0.0, 0.0]), np.array([1.0, 2.0])))
    assert plain["relative"]["low"] is None
    assert type(plain["difference"]["value"]) is float
