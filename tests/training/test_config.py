import pytest

from tfrec.errors import ConfigError
from tfrec.training import TrainingConfig


@pytest.mark.parametrize(
    ("setting", "value"),
    [("block_share", 1.0), ("block_share", 0.0), ("num_blocks", 0), ("ranking_epochs", 0), ("retrieval_epochs", 0)],
)
def test_settings_out_of_range_say_so(setting, value):
    with pytest.raises(ConfigError, match=f"`{setting}` must"):
        TrainingConfig(**{setting: value})
