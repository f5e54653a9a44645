import numpy as np

from tfrec.schema.json_values import to_json
from tfrec.statistics.two_samples import compare_means


def test_json_has_plain_numbers_and_no_nan():
    plain = to_json(compare_means(np.array([0.0, 0.0]), np.array([1.0, 2.0])))
    assert plain["relative"]["low"] is None
    assert type(plain["difference"]["value"]) is float
