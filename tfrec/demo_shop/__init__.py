"""A generated shop with known truth: `generate_demo_shop` writes it, `read_truth` reads what really holds in it."""

from tfrec.demo_shop.campaigns import CampaignLog, run_campaign
from tfrec.demo_shop.config import DemoShopConfig
from tfrec.demo_shop.shop import generate_demo_shop
from tfrec.demo_shop.slates import SlateLog, SlateWorld, draw_slates
from tfrec.demo_shop.truth import DemoShopTruth, read_truth

__all__ = [
    "CampaignLog",
    "DemoShopConfig",
    "DemoShopTruth",
    "SlateLog",
    "SlateWorld",
    "draw_slates",
    "generate_demo_shop",
    "read_truth",
    "run_campaign",
]
