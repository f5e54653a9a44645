import pytest

from tests.training.small import SMALL
from tests.worlds import checkerboard
from tfrec.training import train


@pytest.fixture(scope="package")
def checkerboard_world():
    return checkerboard(num_items=24)  # enough that users go on to buy what is new to them


@pytest.fixture(scope="package")
def trained(checkerboard_world, tmp_path_factory):
    return train(checkerboard_world[0], SMALL, work=tmp_path_factory.mktemp("work"), show_progress=False)
