"""The baselines on real orders against the figures of the published protocol."""

import pytest

from tfrec.evaluation.evaluate import evaluate
from tfrec.ingest.prepare import prepare_shop

COLUMNS = ("all HR@10", "all HR@20", "all NDCG@10", "new HR@10", "discover HR@10", "discover NDCG@10")
FIGURES = {
    "popularity": (0.038, 0.057, 0.019, 0.020, 0.023, 0.012),
    "personal frequency": (0.163, 0.218, 0.094, 0.011, 0.023, 0.012),
    "rule confidence, summed": (0.141, 0.190, 0.086, 0.095, 0.101, 0.060),
    "rule lift (support ≥ 3)": (0.068, 0.098, 0.042, 0.077, 0.078, 0.049),
    "co-purchase cosine (shrink 20)": (0.197, 0.258, 0.125, 0.148, 0.157, 0.100),
    "EASE on orders (λ = 60)": (0.325, 0.405, 0.194, 0.273, 0.290, 0.176),
    "0.8 EASE + 0.2 personal": (0.349, 0.435, 0.208, 0.250, 0.290, 0.176),
}


@pytest.mark.slow
def test_online_retail_lands_within_a_hundredth_of_every_figure(data_home, tmp_path):
    prepared = prepare_shop("online_retail", out=tmp_path / "shop", data_home=data_home)
    section = evaluate(prepared, num_resamples=10).sections[0]
    assert section.rows[0].cells["all HR@10"].n == 5 * 3308
    reached = {row.method: [row.cells[column].value for column in COLUMNS] for row in section.rows}
    for method, figures in FIGURES.items():
        assert reached[method] == pytest.approx(figures, abs=0.01), method
