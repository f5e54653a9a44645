"""A generated shop whose coupon test is large enough to be read, studied once a session."""

from pathlib import Path

import pytest

from tests.demo_shops import prepare_demo_shop
from tfrec.ingest.prepared import read_prepared
from tfrec.report import Findings, render_report, study_shop

from .evaluations import write_evaluation


@pytest.fixture(scope="session")
def coupon_shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prepared demo shop of 400 items and 700 users; read-only."""
    folder = tmp_path_factory.mktemp("coupon_shop")
    return prepare_demo_shop(folder, num_items=400, num_users=700, num_events=12_000, num_slates=500)


@pytest.fixture(scope="session")
def findings(coupon_shop: Path) -> Findings:
    """Everything that is found of that shop, with an evaluation beside it."""
    models = coupon_shop.parent / "models"
    write_evaluation(models)
    return study_shop(read_prepared(coupon_shop), models=models)


@pytest.fixture(scope="session")
def pages(findings: Findings) -> dict[str, str]:
    """The report in both languages."""
    return {code: render_report(findings, language_code=code) for code in ("en", "zh")}
