"""Small demo shops, generated and prepared."""

from pathlib import Path


def prepare_demo_shop(folder: Path, **sizes: int) -> Path:
    """Generates a demo shop of the given sizes in `folder/data`, prepares it and returns where it then lies."""
    from tfrec.demo_shop import DemoShopConfig, generate_demo_shop
    from tfrec.ingest.prepare import prepare_shop

    generate_demo_shop(folder / "data" / "demo_shop", DemoShopConfig(**sizes))
    return prepare_shop("demo_shop", folder / "prepared", data_home=folder / "data").path
