"""Writes a folder with a whole demo shop: raw files as a shop exports them, and the truth."""

import logging
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from tfrec.demo_shop.behaviour import (
    Sessions,
    discount_table,
    draw_discounts,
    draw_sessions,
    simulate_log,
    transition_table,
)
from tfrec.demo_shop.catalogue import (
    LEAVES,
    TIERS,
    Catalogue,
    build_catalogue,
    complement_table,
    substitute_table,
    upgrade_table,
)
from tfrec.demo_shop.config import DemoShopConfig
from tfrec.demo_shop.coupons import coupon_features, run_coupon_test
from tfrec.demo_shop.dirt import add_dirt, raw_events
from tfrec.demo_shop.graphs import RECIPE_SECTIONS, fact_table, friend_table
from tfrec.demo_shop.pictures import STYLES
from tfrec.demo_shop.shoppers import Shoppers, draw_shoppers
from tfrec.demo_shop.slates import (
    SlateLog,
    SlateWorld,
    build_slate_world,
    context_of,
    draw_slates,
    policy_truth,
    slate_table,
)
from tfrec.demo_shop.truth import MANIFEST, TRUTH_FILES, DemoShopTruth, read_fingerprint, read_truth, write_truth
from tfrec.publish import FolderKind, publishing

logger = logging.getLogger(__name__)
_DEFAULT = DemoShopConfig()
_KIND = FolderKind(
    "a demo shop",
    mark=MANIFEST,
    keys=frozenset({"fingerprint", "starts_at", "split_at", "ends_at"}),
    files=(
        *("events.csv.gz", "items.csv", "users.csv", "pictures.npz", "coupon_features.csv", "coupon_test.csv"),
        *("impressions.parquet", "facts.csv", "friends.csv", "graphs.toml", MANIFEST, *TRUTH_FILES),
    ),
)


def generate_demo_shop(out: Path, config: DemoShopConfig = _DEFAULT) -> DemoShopTruth:
    """Writes a demo shop into the folder `out` and returns its truth; a folder of the same config is left as it is.

    Files: `events.csv.gz` (time, customer, product, action, order_no, session, qty, unit_price, stars, search_text),
    `items.csv`, `users.csv`, `pictures.npz` (`images` `[N, 28, 28]` uint8, `product` `[N]`), `coupon_test.csv`,
    `coupon_features.csv`, `impressions.parquet`, `manifest.json` and `truth/` (see `DemoShopTruth`).
    With graphs also `facts.csv` (subject, relation, object), `friends.csv` (customer, friend), and `graphs.toml`, what
    a recipe says of the two. The folder appears in one step: whoever reads sees the old shop or the new one.

    Raises:
        SourceError: `out` is a file or a folder that holds anything else, or the Fashion-MNIST pictures asked for are
            missing.
    """
    out = Path(out)
    if read_fingerprint(out) == config.fingerprint:
        logger.info("%s already holds this demo shop.", out)
        return read_truth(out)
    with (
        publishing(out, _KIND) as work,
        tqdm(total=5, desc="demo shop", unit="part", leave=False, delay=1, disable=None) as progress,
    ):
        catalogue, shoppers = build_catalogue(config), draw_shoppers(config)
        _write_catalogue(work, config, catalogue, shoppers)
        progress.update()
        discounts = draw_discounts(config)
        sessions = draw_sessions(config, shoppers, discounts)
        world, slates = _show_slates(config, catalogue, shoppers, sessions)
        log = simulate_log(config, catalogue, shoppers, sessions, slates, discounts)
        progress.update()
        raw, dirt = add_dirt(config, raw_events(config, catalogue, shoppers, log))
        gzip = {"method": "gzip", "compresslevel": 3, "mtime": 0}
        raw.to_csv(work / "events.csv.gz", index=False, lineterminator="\n", compression=gzip)
        progress.update()
        features = coupon_features(config, shoppers, log)
        test, uplift = run_coupon_test(config, shoppers, features)
        _to_csv(features, work / "coupon_features.csv")
        _to_csv(test, work / "coupon_test.csv")
        _write_impressions(work, config, catalogue, shoppers, sessions, slates, world)
        progress.update()
        truth = DemoShopTruth(
            config=config,
            complements=complement_table(catalogue),
            substitutes=substitute_table(catalogue),
            upgrades=upgrade_table(catalogue),
            segments=shoppers.segment_table(),
            styles=_style_table(catalogue),
            transitions=transition_table(),
            discounts=discount_table(config, discounts),
            uplift=uplift,
            cold_items=_cold_table(config, catalogue),
            policies=policy_truth(world, catalogue.ids),
            dirt={**dirt, "clean_rows": len(log), "raw_rows": len(raw)},
        )
        write_truth(work, truth)
        progress.update()
    logger.info(
        "Wrote a demo shop of %d items, %d users and %d events to %s.", len(catalogue), len(shoppers), len(log), out
    )
    return read_truth(out)


def _write_catalogue(work: Path, config: DemoShopConfig, catalogue: Catalogue, shoppers: Shoppers) -> None:
    _to_csv(catalogue.raw_items(config), work / "items.csv")
    _to_csv(shoppers.raw_users(config), work / "users.csv")
    if config.with_graphs:
        _to_csv(fact_table(config, catalogue), work / "facts.csv")
        _to_csv(friend_table(config, shoppers), work / "friends.csv")
        (work / "graphs.toml").write_text(RECIPE_SECTIONS, encoding="utf-8")
    np.savez_compressed(work / "pictures.npz", images=catalogue.images, product=catalogue.ids[catalogue.picture >= 0])


def _show_slates(
    config: DemoShopConfig, catalogue: Catalogue, shoppers: Shoppers, sessions: Sessions
) -> tuple[SlateWorld, SlateLog]:
    """Draws at most one slate per visit, for users who are logged in."""
    rng = config.generator("shown slates")
    of_users = np.flatnonzero(~sessions.is_guest)
    world = build_slate_world(config, catalogue, shoppers, sessions.user[of_users])
    session = np.sort(rng.choice(of_users, min(config.num_slates, len(of_users)), replace=False))
    return world, draw_slates(world, context=context_of(shoppers, sessions.user[session]), rng=rng, session=session)


def _write_impressions(
    work: Path,
    config: DemoShopConfig,
    catalogue: Catalogue,
    shoppers: Shoppers,
    sessions: Sessions,
    slates: SlateLog,
    world: SlateWorld,
) -> None:
    table = slate_table(slates, world)
    session, item = table.pop("session").to_numpy(), table.pop("item").to_numpy()
    table.insert(1, "time", config.as_time(sessions.day[session]))
    table.insert(2, "customer", shoppers.ids[sessions.user[session]])
    table.insert(3, "session", np.char.add("S", (session + 1_000_000).astype(str)))
    table.insert(8, "product", catalogue.ids[item])
    table.to_parquet(work / "impressions.parquet", index=False)


def _style_table(catalogue: Catalogue) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "item": catalogue.ids,
            "leaf": np.array(LEAVES)[catalogue.leaf],
            "style": np.array(STYLES)[catalogue.style],
            "tier": np.array(TIERS)[catalogue.tier],
            "appeal": catalogue.appeal.round(4),
        }
    )


def _cold_table(config: DemoShopConfig, catalogue: Catalogue) -> pd.DataFrame:
    rows = catalogue.is_cold(config)
    day = config.as_time(catalogue.available_day[rows])
    return pd.DataFrame(
        {
            "item": catalogue.ids[rows],
            "leaf": np.array(LEAVES)[catalogue.leaf[rows]],
            "available_from": np.datetime_as_string(day, unit="D"),
        }
    )


def _to_csv(frame: pd.DataFrame, path: Path) -> None:
    frame.to_csv(path, index=False, lineterminator="\n")
