"""A list of best sellers in three categories, as `tfrec train` writes it beside a servable."""

from pathlib import Path

from tfrec.client.best_sellers import FILE, BestSeller, BestSellers

ITEMS = (
    BestSeller("lamp", "Home > Lighting", 20.0, 9),
    BestSeller("mug", "Home > Kitchen", 5.0, 7),
    BestSeller("ball", "Sport", 12.5, 6),
    BestSeller("bulb", "Home > Lighting", 2.0, 4),
    BestSeller("net", "Sport > Goals", 80.0, 0),
)


def write_best_sellers(models: Path, *, servable: str = "shop", version: int = 3) -> Path:
    """Writes the list beside a version of a servable and returns the folder of servables."""
    path = models / servable / str(version) / FILE
    path.parent.mkdir(parents=True)
    path.write_text(BestSellers(version, ITEMS).to_json(), encoding="utf-8")
    return models
