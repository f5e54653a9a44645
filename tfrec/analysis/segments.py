"""Groups users into segments with a name, a sentence, a value and preferred categories."""

import dataclasses
import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
from sklearn.cluster import DBSCAN, KMeans, MiniBatchKMeans
from sklearn.metrics import adjusted_rand_score, silhouette_score
from sklearn.neighbors import NearestNeighbors
from tqdm.auto import tqdm

from tfrec.analysis.behaviour import FEATURES, FeatureSpace, describe_behaviour, fit_space
from tfrec.analysis.normal_scores import NormalScores, fit_normal_scores
from tfrec.analysis.segment_assigners import RFM_NAMES, Assigner, NearestAnchor, RfmGrid
from tfrec.analysis.segment_names import BULK, TRAITS, Note, SegmentMethod, Taste, Traits, key_of
from tfrec.errors import ConfigError, SchemaError
from tfrec.publish import FolderKind, publishing
from tfrec.schema.json_values import to_json
from tfrec.schema.tables import CATEGORY_SEPARATOR, Tables

logger = logging.getLogger(__name__)

VISITORS = "Visitors"
"""The segment of users who have looked but never bought, or returned all that they bought."""
SEGMENTS_FOLDER = FolderKind(
    "segments",
    mark="segments.json",
    keys=frozenset({"method", "num_users", "segments", "stability"}),
    files=("users.parquet", "popular.parquet", "segments.json"),
)
NOISE = "Like no segment (noise)"
"""The name of what DBSCAN leaves outside all segments."""

_LEAST_TASTE = 1.05  # times the usual share; less is written as 1.0 times, which is no finding
_NUM_POPULAR = 50  # items a segment hands to serving for cold start


@dataclasses.dataclass(frozen=True)
class Segments:
    """Segments of a shop's users.

    Attributes:
        method: how they were found.
        settings: the numbers that the method took: `k`, or `eps` and `min_samples`.
        assignments: one row a user: `user_id`, `segment` (its key).
        profiles: one row a segment, most valuable first: `segment`, `traits` (of noise, too), `number`, `num_users`,
            `share`, `total_value` (net of returns), `gross_value`, `value_share` (of the net value), the median of each
            figure of behaviour, `taste` (bought more than by others; see `Taste`).
        popular: `segment`, `rank`, `item_id`, `num_users`: what to show an unknown member of the segment.
        assigner: gives new users their segment.
        names: key of each segment number of the assigner.
        choice: one row a candidate: `num_users` it was tried on; `stability`, `stability_low`, `stability_high` (mean,
            5th and 95th percentile of `num_resamples`); for K-means `k`, `silhouette`, for DBSCAN `eps`, `min_samples`.
        stability: mean adjusted Rand index between the segments and those of resamples (Hubert & Arabie 1985);
            1 = the same, 0 = chance; NaN where the rule is fixed (RFM).
        noise_share: share of buyers that belong to no segment.
        notes: what a reader must know: samples taken, bars not met.
        usual: one row a figure of behaviour: `median` of all users and `spread` (between the quartiles).
    """

    JSON_KEYS: ClassVar = (
        "method", "settings", "num_users", "stability", "noise_share", ("segments", "profiles"), "choice", "notes",
    )  # fmt: skip

    method: SegmentMethod
    settings: Mapping[str, float]
    assignments: pd.DataFrame
    profiles: pd.DataFrame
    popular: pd.DataFrame
    assigner: Assigner
    names: tuple[str, ...]
    choice: pd.DataFrame
    stability: float
    noise_share: float
    notes: tuple[Note, ...]
    usual: pd.DataFrame

    @property
    def num_users(self) -> int:
        """Number of users."""
        return len(self.assignments)

    @property
    def has_returns(self) -> bool:
        """Whether net and gross values differ."""
        return bool((self.profiles["gross_value"] > self.profiles["total_value"]).any())

    def assign(self, tables: Tables, *, now: pd.Timestamp | None = None) -> pd.DataFrame:
        """Returns `user_id`, `segment` of the users of `tables`, who need not have been there before."""
        behaviour = describe_behaviour(tables, now=now)
        return _assignments(behaviour, self.assigner, self.names)

    def export(self, folder: Path, *, inputs: Iterable[Path] = ()) -> None:
        """Writes `users.parquet`, `popular.parquet` and `segments.json`, in one step, for serving and cold start.

        Raises:
            SourceError: `folder` holds any of `inputs`, or anything that no earlier export wrote.
        """
        with publishing(folder, SEGMENTS_FOLDER, inputs=inputs) as work:
            self.assignments.to_parquet(work / "users.parquet", index=False)
            self.popular.to_parquet(work / "popular.parquet", index=False)
            (work / "segments.json").write_text(
                json.dumps(to_json(self), indent=2, ensure_ascii=False), encoding="utf-8"
            )


def segment_by_rfm(tables: Tables, *, now: pd.Timestamp | None = None) -> Segments:
    """Returns segments by recency, frequency and monetary value, each scored 1..5 by quintiles.

    The name is read from a grid of the recency score and the mean of the other two, rounded down
    (Hughes, Strategic Database Marketing, 1994). New are only buyers whose first order is recent, too.

    Raises:
        SchemaError: there is no purchase.
    """
    behaviour, buyers = _buyers(tables, now)
    levels = [0.2, 0.4, 0.6, 0.8]
    edges = {name: np.quantile(buyers[name], levels) for name in ("recency_days", "num_orders", "value")}
    names = tuple(dict.fromkeys(name for row in RFM_NAMES for name in row))
    grid = RfmGrid(edges, names)
    traits = {name: Traits() for name in names}
    return _finish("rfm", {}, tables, behaviour, grid, traits, pd.DataFrame(), float("nan"), ())


def segment_by_kmeans(
    tables: Tables,
    *,
    now: pd.Timestamp | None = None,
    features: tuple[str, ...] = FEATURES,
    ks: Sequence[int] = range(3, 9),
    min_stability: float = 0.8,
    num_resamples: int = 10,
    max_sample: int = 20_000,
    seed: int = 0,
) -> Segments:
    """Returns K-means segments, with k chosen by silhouette among the stable ones.

    For each k the buyers (at most `max_sample` of them) are clustered, and so are `num_resamples` bootstrap samples of
    them; stability is the mean adjusted Rand index between the first partition and those that the resamples' centres
    make of the same buyers. Of the k with a stability of at least `min_stability` the one of highest silhouette is
    taken; where none is stable, the most stable one, and the notes say so. The centres are then refined on all buyers
    (mini-batches above 200,000: Sculley 2010).

    Raises:
        ConfigError: fewer buyers than clusters, or a feature is unknown.
        SchemaError: there is no purchase.

    Sources: Rousseeuw 1987 (silhouette); Hennig 2007 (stability under resampling).
    """
    behaviour, buyers = _buyers(tables, now)
    if not ks or min(ks) < 2 or max(ks) >= len(buyers):
        raise ConfigError(f"`ks` must lie between 2 and the {len(buyers):,} buyers; got {list(ks)}.")
    space = fit_space(buyers, features)
    places = space.place(buyers)
    rng = np.random.default_rng(seed)
    sample = _sample(places, max_sample, rng)
    rows, centres = [], {}
    for k in tqdm(ks, desc="choosing k", delay=2, leave=False, disable=None):
        model = KMeans(k, n_init=10, random_state=seed).fit(sample)
        partitions = []
        for _ in range(num_resamples):
            resample = sample[rng.integers(len(sample), size=len(sample))]
            partitions.append(KMeans(k, n_init=5, random_state=seed).fit(resample).predict(sample))
        silhouette = silhouette_score(sample, model.labels_, sample_size=min(5000, len(sample)), random_state=seed)
        rows.append(
            {"k": k, "num_users": len(sample), "silhouette": float(silhouette), **_stability(model.labels_, partitions)}
        )
        centres[k] = model.cluster_centers_
    choice = pd.DataFrame(rows)
    stable = choice[choice["stability"] >= min_stability]
    best = choice.loc[choice["stability"].idxmax()] if stable.empty else stable.loc[stable["silhouette"].idxmax()]
    k = int(best["k"])
    counts = {"sample": len(sample), "all": len(places)}
    note = Note("k chosen on a sample", counts)
    notes: tuple[Note, ...] = (note,) if len(sample) < len(places) else ()
    if stable.empty:
        values = {"least": min_stability}
        notes += (Note("no k is stable", values),)
    if len(places) > 200_000:
        refined = MiniBatchKMeans(k, init=centres[k], n_init=1, batch_size=10_000, random_state=seed).fit(places)
    else:
        refined = KMeans(k, init=centres[k], n_init=1).fit(places)
    assigner = NearestAnchor(space, refined.cluster_centers_, np.arange(k))
    names = _name_segments(space, places, assigner.label_places(places), k)
    return _finish("kmeans", {"k": k}, tables, behaviour, assigner, names, choice, float(best["stability"]), notes)


def segment_by_dbscan(
    tables: Tables,
    *,
    now: pd.Timestamp | None = None,
    features: tuple[str, ...] = FEATURES,
    eps: float | None = None,
    min_samples: int | None = None,
    num_resamples: int = 5,
    max_sample: int = 20_000,
    seed: int = 0,
) -> Segments:
    """Returns DBSCAN segments: dense regions of behaviour, and the buyers in none of them (noise) with their traits.

    Figures are compared by rank (`NormalScores`): in money and numbers of orders the best customers lie far apart, and
    would all be noise.

    `min_samples` defaults to twice the number of features (Sander et al. 1998), eps to the knee of the sorted distance
    to the `min_samples`-th neighbour: where the curve is farthest below its chord (Satopää et al. 2011). Above
    `max_sample` buyers a sample is clustered, and everybody else gets the segment of the nearest core point within
    eps, else noise.

    Raises:
        ConfigError: a setting is out of range, or a feature is unknown.
        SchemaError: there is no purchase.

    Source: Ester, Kriegel, Sander & Xu 1996.
    """
    behaviour, buyers = _buyers(tables, now)
    space = fit_normal_scores(buyers, features)
    places = space.place(buyers)
    rng = np.random.default_rng(seed)
    sample = _sample(places, max_sample, rng)
    min_samples = 2 * len(space.features) if min_samples is None else min_samples
    if not 1 < min_samples < len(sample):
        raise ConfigError(f"`min_samples` must lie between 2 and the {len(sample):,} buyers; got {min_samples}.")
    eps = knee_of_distances(sample, min_samples) if eps is None else eps
    if not eps > 0:
        raise ConfigError(f"`eps` must be a distance above 0; got {eps}. Many buyers are equal: name more `features`.")
    assigner = _fit_dbscan(space, sample, eps, min_samples)
    labels = assigner.label_places(sample)
    partitions = []
    for _ in tqdm(range(num_resamples), desc="resampling", delay=2, leave=False, disable=None):
        part = sample[rng.random(len(sample)) < 0.8]
        partitions.append(_fit_dbscan(space, part, eps, min_samples).label_places(sample))
    stability = _stability(labels, partitions)
    num_segments = int(assigner.segments.max()) + 1 if len(assigner.segments) else 0
    choice = pd.DataFrame(
        [{"num_users": len(sample), "eps": eps, "min_samples": min_samples, "num_segments": num_segments, **stability}]
    )
    note = Note("regions found on a sample", {"sample": len(sample), "all": len(places)})
    notes: tuple[Note, ...] = (note,) if len(sample) < len(places) else ()
    if num_segments <= 1:
        notes += (Note("at most one region", {"n": num_segments}),)
    names = _name_segments(space, sample, labels, num_segments)
    names[NOISE] = _traits_of(space, places, assigner.label_places(places) < 0)
    settings = {"eps": eps, "min_samples": min_samples}
    return _finish("dbscan", settings, tables, behaviour, assigner, names, choice, stability["stability"], notes)


def knee_of_distances(places: np.ndarray, neighbours: int) -> float:
    """Returns the distance at the knee of the sorted distances of `[n, d]` places to the given neighbour."""
    finder = NearestNeighbors(n_neighbors=neighbours + 1).fit(places)
    distances = np.sort(finder.kneighbors(places)[0][:, -1])
    span = distances[-1] - distances[0]
    if span <= 0:
        return float(distances[-1])
    below_chord = np.linspace(0, 1, len(distances)) - (distances - distances[0]) / span
    return float(distances[np.argmax(below_chord)])


def _fit_dbscan(space: NormalScores, places: np.ndarray, eps: float, min_samples: int) -> NearestAnchor:
    model = DBSCAN(eps=eps, min_samples=min_samples).fit(places)
    core = model.core_sample_indices_
    return NearestAnchor(space, places[core].reshape(-1, places.shape[1]), model.labels_[core], eps)


def _buyers(tables: Tables, now: pd.Timestamp | None) -> tuple[pd.DataFrame, pd.DataFrame]:
    behaviour = describe_behaviour(tables, now=now)
    buyers = behaviour[behaviour["num_orders"] > 0]
    if len(buyers) < 10:
        raise SchemaError(f"Segments need at least ten users who bought something; there are {len(buyers)}.")
    return behaviour, buyers


def _sample(places: np.ndarray, max_sample: int, rng: np.random.Generator) -> np.ndarray:
    if len(places) <= max_sample:
        return places
    return places[rng.choice(len(places), size=max_sample, replace=False)]


def _stability(labels: np.ndarray, partitions: list[np.ndarray]) -> dict[str, float]:
    """Returns mean and 5th and 95th percentile of the adjusted Rand index with the resamples' partitions."""
    agreement = np.array([adjusted_rand_score(labels, other) for other in partitions])
    low, high = np.quantile(agreement, [0.05, 0.95])
    return {
        "stability": float(agreement.mean()),
        "stability_low": float(low),
        "stability_high": float(high),
        "num_resamples": len(agreement),
    }


def _name_segments(
    space: FeatureSpace | NormalScores, places: np.ndarray, labels: np.ndarray, num: int
) -> dict[str, Traits]:
    """Returns key → traits of each segment: the figures in which it differs most from all buyers."""
    if num == 1:
        return {BULK: Traits()}
    names: dict[str, Traits] = {}
    for number in range(num):
        means = places[labels == number].mean(axis=0) - places.mean(axis=0)
        order = np.argsort(-np.abs(means))
        words = [_trait(space.features[number], means[number]) for number in order]
        num_clear = max(1, int((np.abs(means) >= 0.5).sum()))
        lengths = [*range(min(2, num_clear), len(words) + 1)]
        options = [Traits(tuple(words[:length])) for length in lengths]
        options += [Traits(options[-1].traits, number) for number in range(2, num + 2)]
        chosen = next(option for option in options if key_of(option) not in names)
        names[key_of(chosen)] = chosen
    return names


def _traits_of(space: FeatureSpace | NormalScores, places: np.ndarray, is_member: np.ndarray) -> Traits:
    """Returns the two traits in which the members differ most from all buyers; none where there are no members."""
    if not is_member.any():
        return Traits()
    means = places[is_member].mean(axis=0) - places.mean(axis=0)
    clearest = [number for number in np.argsort(-np.abs(means))[:2] if abs(means[number]) >= 0.5]
    return Traits(tuple(_trait(space.features[number], means[number]) for number in clearest))


def _trait(feature: str, deviation: float) -> str:
    low, high = TRAITS.get(feature, (f"low {feature}", f"high {feature}"))
    return high if deviation > 0 else low


def _assignments(behaviour: pd.DataFrame, assigner: Assigner, names: tuple[str, ...]) -> pd.DataFrame:
    is_buyer = (behaviour["num_orders"] > 0).to_numpy()
    codes = np.full(len(behaviour), len(names) + 1)
    labels = assigner.label(behaviour[is_buyer])
    codes[is_buyer] = np.where(labels < 0, len(names), labels)
    segment = pd.array([*names, NOISE, VISITORS], dtype="str").take(codes)
    return pd.DataFrame({"user_id": behaviour.index, "segment": segment})


def _finish(
    method: SegmentMethod,
    settings: Mapping[str, float],
    tables: Tables,
    behaviour: pd.DataFrame,
    assigner: Assigner,
    traits: Mapping[str, Traits],
    choice: pd.DataFrame,
    stability: float,
    notes: tuple[Note, ...],
) -> Segments:
    """Returns the segments with their profiles: size, value, medians and taste."""
    names = tuple(name for name in traits if name != NOISE)
    assignments = _assignments(behaviour, assigner, names)
    segment = assignments["segment"].to_numpy()
    counts = _bought(tables, behaviour, segment)
    figures = [name for name in TRAITS if name in behaviour.columns]
    grouped = behaviour.groupby(segment)
    profiles = grouped[figures].median()
    profiles.insert(0, "num_users", grouped.size())
    profiles.insert(1, "share", profiles["num_users"] / len(behaviour))
    profiles.insert(2, "total_value", grouped["value"].sum())
    profiles.insert(3, "gross_value", grouped["gross_value"].sum())
    profiles.insert(4, "value_share", profiles["total_value"] / max(float(behaviour["value"].sum()), 1e-9))
    tastes = _taste(tables, counts)
    profiles["taste"] = [tastes.get(name, []) for name in profiles.index]
    quartiles = behaviour[figures].quantile([0.25, 0.5, 0.75]).T
    usual = pd.DataFrame({"median": quartiles[0.5], "spread": quartiles[0.75] - quartiles[0.25]})
    traits_of_rows = [traits.get(str(name), Traits()) for name in profiles.index]
    profiles.insert(0, "traits", [list(row.traits) for row in traits_of_rows])
    profiles.insert(1, "number", [row.number for row in traits_of_rows])
    profiles = profiles.sort_values("total_value", ascending=False).rename_axis("segment").reset_index()
    num_buyers = int((behaviour["num_orders"] > 0).sum())
    noise_share = float((segment == NOISE).sum() / num_buyers)
    popular = counts[counts["rank"] <= _NUM_POPULAR].reset_index(drop=True)
    logger.info("%s: %d segments of %d users", method, len(profiles), len(behaviour))
    return Segments(
        method, settings, assignments, profiles, popular, assigner, names, choice, stability, noise_share, notes, usual
    )


def _bought(tables: Tables, behaviour: pd.DataFrame, segment: np.ndarray) -> pd.DataFrame:
    """Returns `segment`, `rank`, `item_id`, `num_users` (different buyers), by falling number of users."""
    purchases = tables.net_purchases()
    rows = behaviour.index.get_indexer(purchases["user_id"])
    codes, names = pd.factorize(segment)
    items, item_names = pd.factorize(purchases["item_id"])
    has_behaviour = rows >= 0
    pairs = np.unique(rows[has_behaviour] * len(item_names) + items[has_behaviour])
    cells, counts = np.unique(
        codes[pairs // len(item_names)] * len(item_names) + pairs % len(item_names), return_counts=True
    )
    frame = pd.DataFrame(
        {
            "segment": pd.array(names, dtype="str").take(cells // len(item_names)),
            "item_id": pd.Series(item_names, dtype="str").array.take(cells % len(item_names)),
            "num_users": counts,
        }
    ).sort_values(["segment", "num_users", "item_id"], ascending=[True, False, True], ignore_index=True)
    frame.insert(1, "rank", frame.groupby("segment").cumcount() + 1)
    return frame


def _taste(tables: Tables, counts: pd.DataFrame, *, num: int = 3, min_users: int = 20) -> dict[str, list[Taste]]:
    """Returns what each segment buys more than its size explains: category, else item, of highest Pearson residual.

    With O buyers in the segment and E expected from the segment's share of all (user, item) pairs: `(O − E)/√E`.
    """
    items = tables.items.set_index("item_id")
    top = items["category"].str.split(CATEGORY_SEPARATOR).str[0]
    label = top if (top != "").any() else items["title"].where(items["title"] != "", items.index.to_series())
    thing = counts["item_id"].map(label).fillna("")
    cells = (
        counts["num_users"]
        .groupby([counts["segment"], thing])
        .sum()
        .unstack(fill_value=0)
        .drop(columns="", errors="ignore")
    )
    expected = np.outer(cells.sum(axis=1), cells.sum(axis=0)) / max(cells.to_numpy().sum(), 1)
    residual = ((cells - expected) / np.sqrt(np.maximum(expected, 1e-9))).where(
        (cells >= min_users) & (cells >= _LEAST_TASTE * expected)
    )
    ratio = cells / np.maximum(expected, 1e-9)
    result: dict[str, list[Taste]] = {}
    for name in cells.index:
        best = residual.loc[name].dropna().nlargest(num).index
        result[name] = [Taste(str(thing), float(ratio.at[name, thing])) for thing in best]
    return result
