"""Simulates slates shown on the start page with known propensities and known true values of policies.

A slate holds three of ten promoted items, drawn without replacement with softmax weights of the policy's scores
(the Plackett-Luce model). Clicks on the places are independent:
`P(click | context, item, place) = relevance(context, item) · attention(place)`.
So a policy's value, the expected clicks a slate, is a finite sum and is computed exactly.
"""

import dataclasses
import itertools

import numpy as np
import pandas as pd

from tfrec.demo_shop.catalogue import DEPARTMENT_OF_LEAF, DEPARTMENTS, Catalogue
from tfrec.demo_shop.config import DemoShopConfig
from tfrec.demo_shop.shoppers import DEVICES, Shoppers

SLATE_SIZE = 3
POOL_SIZE = 10
ATTENTION = np.array([1.0, 0.7, 0.5])
"""Factor of each place on the probability of a click."""


@dataclasses.dataclass(frozen=True)
class SlateWorld:
    """All that decides which slate is shown to whom and what is clicked.

    Attributes:
        items: `[A]` item codes of the pool.
        contexts: `[X, 2]` department and device codes; a context is what the shop knows of the visitor.
        context_share: `[X]` share of the visits.
        relevance: `[X, A]` probability of a click in the first place.
        attention: `[K]` factor of each place.
        policies: name → `[X, A]` scores (logits); `"logging"` is the one that wrote the log.
    """

    items: np.ndarray
    contexts: np.ndarray
    context_share: np.ndarray
    relevance: np.ndarray
    attention: np.ndarray
    policies: dict[str, np.ndarray]

    def value(self, policy: str) -> float:
        """Returns the policy's true value: expected clicks a slate."""
        return float(self.context_share @ self.context_values(policy))

    def context_values(self, policy: str) -> np.ndarray:
        """Returns `[X]` expected clicks a slate in each context."""
        shown = self.place_probabilities(policy)
        return np.einsum("xak,xa,k->x", shown, self.relevance, self.attention)

    def place_probabilities(self, policy: str) -> np.ndarray:
        """Returns `[X, A, K]`: the probability that an item stands in a place, summed over all slates."""
        slates = _all_slates(len(self.items))
        shares = _slate_probabilities(self.policies[policy], slates)  # [X, slates]
        result = np.zeros((len(self.contexts), len(self.items), SLATE_SIZE))
        for place in range(SLATE_SIZE):
            for arm in range(len(self.items)):
                result[:, arm, place] = shares[:, slates[:, place] == arm].sum(axis=1)
        return result

    def slate_probabilities(self, policy: str, context: np.ndarray, arms: np.ndarray) -> np.ndarray:
        """Returns `[B, K]`: the policy's probability of each shown arm given the places above it.

        Args:
            policy: name in `policies`.
            context: `[B]` context codes.
            arms: `[B, K]` positions in `items`.
        """
        return _conditional(self.policies[policy][context], arms)


@dataclasses.dataclass(frozen=True)
class SlateLog:
    """Slates that were shown; arrays `[B]` or `[B, K]`.

    Attributes:
        session: code of the visit, ascending; -1 where there is none.
        context: context code.
        arms: position in the world's `items`.
        items: item codes.
        probability: propensity of each place given those above it, under the logging policy.
        place_probability: marginal probability that this item stands in this place.
        clicks: 1 = clicked.
    """

    session: np.ndarray
    context: np.ndarray
    arms: np.ndarray
    items: np.ndarray
    probability: np.ndarray
    place_probability: np.ndarray
    clicks: np.ndarray


def build_slate_world(
    config: DemoShopConfig, catalogue: Catalogue, shoppers: Shoppers, visitors: np.ndarray
) -> SlateWorld:
    """Draws pool, relevance and policies; `visitors` `[V]` are the user codes of all visits that can see a slate.

    Policies: `logging` (follows the department, softly), `uniform`, `popular` (the same scores for all),
    `personal` (follows the department, more strongly, and the item's appeal).
    """
    rng = config.generator("slates")
    steady = np.flatnonzero((catalogue.available_day == 0) & np.isinf(catalogue.gone_day))
    department = DEPARTMENT_OF_LEAF[catalogue.leaf]
    # The most appealing item of each department, then of all that are left.
    best = steady[np.argsort(-catalogue.appeal[steady], kind="stable")]
    _, first = np.unique(department[best], return_index=True)
    pool = np.concatenate([best[np.sort(first)], np.delete(best, first)])[:POOL_SIZE]
    contexts = np.array(list(itertools.product(range(len(DEPARTMENTS)), range(len(DEVICES)))))
    code = shoppers.department[visitors] * len(DEVICES) + shoppers.device[visitors]
    share = np.bincount(code, minlength=len(contexts)) / max(1, len(visitors))
    is_own = (department[pool] == contexts[:, :1]).astype(float)  # [X, A]
    taste = rng.normal(0, 0.5, (len(contexts), POOL_SIZE))
    general = rng.normal(0, 0.4, POOL_SIZE)
    relevance = 1 / (1 + np.exp(-(-2.3 + 1.8 * is_own + general + taste)))
    policies = {
        "logging": 0.9 * is_own + 0.3 * rng.normal(size=POOL_SIZE),
        "uniform": np.zeros_like(is_own),
        "popular": np.broadcast_to(0.8 * general / 0.4, is_own.shape).copy(),
        "personal": 2.0 * is_own + 0.6 * general / 0.4,
    }
    return SlateWorld(pool, contexts, share, relevance, ATTENTION, policies)


def context_of(shoppers: Shoppers, users: np.ndarray) -> np.ndarray:
    """Returns `[n]` the context code of each user code."""
    return shoppers.department[users] * len(DEVICES) + shoppers.device[users]


def draw_slates(
    world: SlateWorld, *, context: np.ndarray, rng: np.random.Generator, session: np.ndarray | None = None
) -> SlateLog:
    """Shows one slate to each context code `[B]` under the logging policy and draws the clicks.

    Example: `draw_slates(world, context=rng.choice(len(world.contexts), 5_000, p=world.context_share), rng=rng)`
    is a fresh log from the same world, so that an estimator's coverage can be measured over many logs.
    """
    scores = world.policies["logging"][context]
    # Gumbel top-k: sorting perturbed scores draws from the Plackett-Luce model (Vieira 2014; Kool et al. 2019).
    arms = np.argsort(-(scores + rng.gumbel(size=scores.shape)), axis=1)[:, :SLATE_SIZE]
    marginal = world.place_probabilities("logging")[context[:, None], arms, np.arange(SLATE_SIZE)]
    chance = world.relevance[context[:, None], arms] * world.attention
    return SlateLog(
        session=np.full(len(context), -1) if session is None else session,
        context=context,
        arms=arms,
        items=world.items[arms],
        probability=_conditional(scores, arms),
        place_probability=marginal,
        clicks=(rng.random(chance.shape) < chance).astype(np.int8),
    )


def slate_table(log: SlateLog, world: SlateWorld) -> pd.DataFrame:
    """Returns one row a place: what was shown to whom, with codes of session and item, probabilities and click."""
    B = len(log.context)
    department, device = world.contexts[log.context].T
    return pd.DataFrame(
        {
            "slate": np.repeat(np.arange(B), SLATE_SIZE),
            "session": np.repeat(log.session, SLATE_SIZE),
            "context": np.repeat(log.context, SLATE_SIZE).astype(np.int32),
            "department": np.repeat(np.array(DEPARTMENTS)[department], SLATE_SIZE),
            "device": np.repeat(np.array(DEVICES)[device], SLATE_SIZE),
            "position": np.tile(np.arange(1, SLATE_SIZE + 1, dtype=np.int32), B),
            "item": log.items.ravel(),
            "probability": log.probability.ravel(),
            "position_probability": log.place_probability.ravel(),
            "slate_probability": np.repeat(log.probability.prod(axis=1), SLATE_SIZE),
            "clicked": log.clicks.ravel(),
        }
    )


def policy_truth(world: SlateWorld, item_ids: np.ndarray) -> dict:
    """Returns what `policies.json` holds: the world, each policy's scores and its true value in clicks per slate.

    `item_ids` is `[n]`.
    """
    return {
        "slate_size": SLATE_SIZE,
        "model": "Plackett-Luce: places are filled one after the other with softmax(scores) over the items left",
        "items": item_ids[world.items].tolist(),
        "contexts": [
            {"context": code, "department": DEPARTMENTS[department], "device": DEVICES[device], "share": share}
            for code, ((department, device), share) in enumerate(
                zip(world.contexts, world.context_share.tolist(), strict=True)
            )
        ],
        "relevance": world.relevance.tolist(),
        "attention": world.attention.tolist(),
        "policies": {
            name: {"value": world.value(name), "scores": scores.tolist()} for name, scores in world.policies.items()
        },
    }


def read_slate_world(truth: dict, item_ids: np.ndarray) -> SlateWorld:
    """Returns the world that `policy_truth` wrote; `items` are positions in `[n]` `item_ids`."""
    position = {item: code for code, item in enumerate(item_ids.tolist())}
    return SlateWorld(
        items=np.array([position[item] for item in truth["items"]]),
        contexts=np.array(
            [[DEPARTMENTS.index(row["department"]), DEVICES.index(row["device"])] for row in truth["contexts"]]
        ),
        context_share=np.array([row["share"] for row in truth["contexts"]]),
        relevance=np.array(truth["relevance"]),
        attention=np.array(truth["attention"]),
        policies={name: np.array(policy["scores"]) for name, policy in truth["policies"].items()},
    )


def _all_slates(num_arms: int) -> np.ndarray:
    return np.array(list(itertools.permutations(range(num_arms), SLATE_SIZE)))


def _slate_probabilities(scores: np.ndarray, slates: np.ndarray) -> np.ndarray:
    """Returns `[X, slates]` the probability of each ordered slate."""
    rows = [_conditional(np.broadcast_to(row, (len(slates), len(row))), slates).prod(axis=1) for row in scores]
    return np.array(rows)


def _conditional(scores: np.ndarray, arms: np.ndarray) -> np.ndarray:
    """Returns `[B, K]` softmax probability of each arm among those not yet shown above it."""
    weight = np.exp(scores - scores.max(axis=1, keepdims=True))
    chosen = np.take_along_axis(weight, arms, axis=1)
    taken = np.concatenate([np.zeros((len(arms), 1)), chosen.cumsum(axis=1)[:, :-1]], axis=1)
    return chosen / (weight.sum(axis=1, keepdims=True) - taken)
