"""`CandidateSources`: evidence, candidates and features of queries, from all sources together.

One piece of TensorFlow code serves training and serving: the ranking model's examples are computed by the very
functions that the SavedModel runs, with the tables of an earlier moment (no training-serving skew by construction).

Evidence is kept by column `[B, L]` of a list of items that the sources know something of. The cost of an answer so
depends on their neighbours, not on the catalogue. A small catalogue is one list, without search or sort.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import tensorflow as tf

from tfrec.models.graph_tables import products, products_with_all, rows_of_table
from tfrec.models.index_config import IndexConfig
from tfrec.models.organic import HABIT, faded_orders, items_an_order, organic_probability
from tfrec.models.query import Query, changed
from tfrec.models.rows import times_by_category
from tfrec.models.shared_graphs import GraphValue, rare_branch
from tfrec.models.size_of import size_of
from tfrec.models.sources.best_items import Score, best_items, strongest
from tfrec.models.sources.complements import Complements
from tfrec.models.sources.feature_values import Column, scaled
from tfrec.models.sources.item_index import IndexFacts
from tfrec.models.sources.nearest_items import Searching
from tfrec.models.sources.registry import FEATURES, SOURCES
from tfrec.models.sources.shortlist import Shortlist, shortlist_of, whole_catalogue
from tfrec.models.sources.source import Candidates, Entries, Found, Moment, Ranking, Source
from tfrec.models.sources.towers import Towers
from tfrec.models.user_history import Purchases

OWN_HABIT = 2 + HABIT
"""Column of `Purchases.facts` with the habit: behind times bought and days since."""
Allows = Callable[[Shortlist, tf.Tensor], tf.Tensor]
"""Items of a list, and which of them the user bought before `[B, L]` → which may be offered, `[B, L]` bool."""


@dataclasses.dataclass(frozen=True)
class Evidence(GraphValue):
    """What all sources know for a batch of queries.

    Attributes:
        shortlist: the items of the columns.
        by_source: name of the source → what it knows.
        eligible: `[B, L]` bool: items that may be offered.
    """

    shortlist: Shortlist
    by_source: Mapping[str, Found]
    eligible: tf.Tensor


class CandidateSources:
    """The tables of one moment, and the functions that turn queries into candidates and features.

    Args:
        moment: what was known at the moment, with the settings of the sources.
        view_type: event code of a view, or of the commonest event where the log has no views.
    """

    def __init__(self, moment: Moment, *, view_type: int) -> None:
        self.moment = moment
        self.config = moment.config
        self.num_rows = moment.num_rows
        self.view_type = view_type
        self.by_name: dict[str, Source] = {name: source(moment) for name, source in SOURCES.items()}
        self.price, self.profit = moment.price, moment.profit
        self.categories, self.groups = moment.categories, moment.groups
        self.fits, self.fits_something = moment.fits, moment.fits_something
        self.num_fits = moment.catalogue.fits.num_codes
        self.attributes = moment.attributes
        self.largest_group = moment.catalogue.largest_group
        self.num_segments = len(moment.feature_tables.segment_popularity) - 1
        self.has_margins = moment.catalogue.has_margins
        # What an item's number of purchases lately is to be multiplied with to get its share of all orders.
        lately = float(moment.feature_tables.sold[:, 0].sum())
        self._orders_share = items_an_order(moment.feature_tables) / max(lately, 1.0)

    @property
    def is_offered(self) -> tf.Tensor:
        """`[N + 1]` bool: items that may be offered at all."""
        return self.moment.offered

    @property
    def content(self) -> tf.Tensor:
        """`[N + 1, c]` unit vectors of title, category, brand and facts."""
        return self.moment.content

    @property
    def candidate_embeddings(self) -> tf.Tensor:
        """`[N + 1, d]` candidate embeddings of the retrieval model."""
        return self.moment.embeddings

    @property
    def variables(self) -> list[tf.Variable]:
        """Every table and weight that candidates and features may read."""
        return [*self.moment.variables, *(one for source in self.by_name.values() for one in source.variables)]

    def embed_query(self, query: Query) -> tf.Tensor:
        """Returns `[B, d]` query embeddings: the user's latest events, then the visit's, then the cart."""
        towers = self.by_name["towers"]
        assert isinstance(towers, Towers)
        return towers.vector(query)

    def build_indexes(self, queries: Query, config: IndexConfig) -> dict[str, IndexFacts]:
        """Builds indexes of what sources search in the whole catalogue; to be called before a graph is traced.

        Args:
            queries: queries such as will be asked, on which it is measured what an index finds.
            config: settings.

        Returns:
            Name of a search → its index; those that compare all items as before are left out.
        """
        if not self.moment.is_listed:
            return {}
        built = {}
        for source in self.by_name.values():
            if isinstance(source, Searching):
                vectors = source.vector(queries).numpy()
                built.update({name: search.build(vectors, config) for name, search in source.searches.items()})
        facts = {name: index for name, index in built.items() if index is not None}
        self.moment.is_indexed = bool(facts)
        self.moment.halve(embeddings="towers" in facts, content="content" in facts)
        return facts

    def similarity(
        self,
        anchor: tf.Tensor,
        items: tf.Tensor,
        *,
        embedding_weight: float = 1.0,
        content_weight: float = 1.0,
    ) -> tf.Tensor:
        """Returns `[B, C]` similarities of `items [1 or B, C]` to the anchor `[B]`: cosines of both vectors."""
        embedded = products(self.candidate_embeddings, anchor, items)
        return embedding_weight * embedded + content_weight * products(self.content, anchor, items)

    def completes(self, chosen: tf.Tensor, items: tf.Tensor) -> tf.Tensor:
        """Returns `[B, C]`: how strongly the category of each of `items [B, C]` completes that of `chosen [B]`."""
        complements = self.by_name["complements"]
        assert isinstance(complements, Complements)
        return complements.completes(chosen, items)

    def informed(self, query: Query) -> Query:
        """Returns the query with what the users bought, looked up once for all that ask for it."""
        return changed(query, bought=self._bought(query))

    def _bought(self, query: Query) -> Purchases:
        return self.moment.profiles.purchases(query) if query.bought is None else query.bought

    def interests(self, query: Query) -> tf.Tensor:
        """Returns `[B, P]` float32: times that the users bought of each top category; of the unknown, in column 0."""
        bought = self._bought(query)
        times = tf.where(bought.item > 0, bought.facts[..., 0], 0.0)
        top = tf.gather(self.categories, bought.item)[..., 0]
        return times_by_category(top, times, number=self.moment.catalogue.num_top_categories)

    def organic(self, query: Query, items: tf.Tensor) -> tf.Tensor:
        """Returns `[B, C]` float32: how likely each of `items [B, C]` is bought next without being offered.

        By the user's own orders, those of late most, and what all orders of the last 28 days held.
        """
        bought = self._bought(query)
        is_own = tf.equal(items[:, :, None], bought.item[:, None, :]) & (items > 0)[:, :, None]
        habit = bought.facts[:, None, :, OWN_HABIT]
        own = tf.reduce_sum(tf.where(is_own, habit, 0.0), axis=2)
        lately = tf.gather(self.moment.popularity, items)[..., 1]
        share = tf.minimum(lately * self._orders_share, 1.0)
        return organic_probability(own, faded_orders(bought.num_orders)[:, None], share)

    def segment(self, query: Query) -> tf.Tensor:
        """Returns `[B]` int32 segments of the users; 0 = unknown."""
        return self.moment.profiles.segment(query)

    def gather_evidence(
        self,
        query: Query,
        allows: Allows | None = None,
        *,
        at_least: tf.Tensor | int = 0,
        also: tf.Tensor | None = None,
    ) -> Evidence:
        """Returns what the sources know of the items that they bring.

        Args:
            query: the queries.
            allows: which items may be offered; None = all that the shop offers.
            at_least: `[B]` or one number: candidates that the towers bring at least; each row's own, so that a query
                is answered in a batch as alone.
            also: `[B, n]` int32 further items; 0 = padding.
        """
        at_least = tf.broadcast_to(at_least, tf.shape(query.user))
        bought = self._bought(query)
        entries = {name: source.entries(query, bought, at_least=at_least) for name, source in self.by_name.items()}

        def allowed(shortlist: Shortlist) -> tf.Tensor:
            if allows is None:
                return tf.gather(self.is_offered, shortlist.item)
            return allows(shortlist, shortlist.marks(bought.item) & (shortlist.item > 0))

        if self.moment.is_listed:
            shortlist, eligible = self._listed(entries, allowed, [] if also is None else [also])
        else:
            shortlist = whole_catalogue(self.num_rows)
            eligible = allowed(shortlist)
        columns = dict(zip(entries, shortlist.columns_of([one.item for one in entries.values()]), strict=True))
        found = {
            name: source.evidence(entries[name], shortlist, columns[name]) for name, source in self.by_name.items()
        }
        return Evidence(shortlist, found, tf.broadcast_to(eligible, [size_of(query.user), shortlist.size]))

    @property
    def popularity(self) -> tf.Tensor:
        """`[N + 1]` float32 times bought in the last 28 days."""
        return self.moment.popularity[:, 1]

    def best_of_catalogue(
        self, query: Query, allows: Allows, score: Score, wanted: tf.Tensor, *, is_popularity: bool = False
    ) -> tf.Tensor:
        """Returns `[B, m]` int32: of all items that may be offered, `wanted [B]` with the highest scores; 0 = none.

        Where the score is `popularity`, or `-inf`, what is bought little is looked at in need alone.
        """
        order = self.moment.by_popularity if is_popularity else None
        may_be = self._may_be(query, allows)
        return best_items([score], [wanted], may_be, num_rows=self.num_rows, order=order)[0]

    def best_of(self, query: Query, allows: Allows, score: Score, wanted: tf.Tensor, *, items: tf.Tensor) -> tf.Tensor:
        """Returns the same of `items [B, n]` alone."""
        shortlist = shortlist_of([items])
        eligible = self._may_be(query, allows)(shortlist) & (shortlist.item > 0)
        return strongest(score(shortlist.item), shortlist.item, eligible, wanted)

    def nearest_by_index(self, anchor: tf.Tensor, wanted: tf.Tensor) -> tf.Tensor | None:
        """Returns `[B, m]` int32 items near to the anchors `[B]` by embedding or content; None = there is no index.

        `wanted [B]` of each, with some to spare.
        """
        if not self.moment.is_indexed:
            return None
        towers, content = self.by_name["towers"], self.by_name["content"]
        assert isinstance(towers, Searching) and isinstance(content, Searching)
        by_towers = towers.searches["towers"].ranking(rows_of_table(self.candidate_embeddings, anchor), wanted)
        by_content = content.searches["content"].ranking(rows_of_table(self.content, anchor), wanted)
        return tf.concat([by_towers.item, by_content.item], axis=1)

    def nearest(self, query: Query, wanted: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns `[B, m]` int32 the `wanted [B]` nearest items by the towers, best first, 0 = none; and their scores.

        As far as an index finds them, where there is one; of more than it finds, by a pass over all.
        """
        towers = self.by_name["towers"]
        assert isinstance(towers, Towers)
        embedding = towers.vector(query)
        wanted = tf.minimum(wanted, self.num_rows)

        def every(wanted: tf.Tensor) -> tf.Tensor:
            score = products_with_all(embedding, self.candidate_embeddings)
            return strongest(score, tf.range(self.num_rows)[None, :], self.is_offered[None, :], wanted)

        if not self.moment.is_indexed:
            item = every(wanted)
        else:
            most = tf.reduce_max(tf.concat([wanted, [0]], axis=0))
            found = towers.searches["towers"].ranking(embedding, wanted).item[:, :most]
            found = tf.where(tf.range(size_of(found, 1))[None, :] < wanted[:, None], found, 0)
            found = tf.pad(found, [[0, 0], [0, most - size_of(found, 1)]])
            is_done = tf.reduce_sum(tf.cast(found > 0, tf.int32), axis=1) >= wanted

            def with_others() -> tf.Tensor:
                others = every(tf.where(is_done, 0, wanted))
                others = tf.pad(others, [[0, 0], [0, most - size_of(others, 1)]])
                return tf.where(is_done[:, None], found, others)  # each row as it would be alone

            item = tf.cond(tf.reduce_all(is_done), lambda: found, with_others)
        score = tf.linalg.matvec(rows_of_table(self.candidate_embeddings, item), embedding)
        return item, tf.where(item > 0, score, -float("inf"))

    def _may_be(self, query: Query, allows: Allows) -> Callable[[Shortlist], tf.Tensor]:
        bought = self._bought(query)
        return lambda shortlist: allows(shortlist, shortlist.marks(bought.item) & (shortlist.item > 0))

    def candidates(
        self, evidence: Evidence, *, at_least: tf.Tensor | int = 0, also: tf.Tensor | None = None
    ) -> tf.Tensor:
        """Returns `[B, C]` int32 candidates of all sources, each once, descending; 0 = no candidate.

        Those of `also [B, n]` that may be offered are among them.

        The towers rank every eligible item, so a row holds `at_least` candidates, as `gather_evidence` was given,
        whenever as many are eligible.
        """
        shortlist, lists = evidence.shortlist, []
        may_be = tf.cast(evidence.eligible, tf.float32)  # a product takes a tenth of the time of a choice by a mask
        for name, score in self.source_scores(evidence).items():
            longest = most = getattr(self.config, name)
            if name == "towers":
                most = tf.maximum(tf.broadcast_to(at_least, [size_of(evidence.eligible)]), most)
                longest = tf.reduce_max(tf.pad(most, [[0, 1]]))
            best, column = tf.math.top_k(score * may_be, tf.minimum(longest, shortlist.size))
            if name == "towers":  # each row's own number
                best = tf.where(tf.range(size_of(best, 1))[None, :] < most[:, None], best, 0.0)
            lists.append((best, column))
        best, column = (tf.concat(parts, axis=1) for parts in zip(*lists, strict=True))
        merged = tf.where(best > 0, shortlist.items(column), 0)
        if also is not None:
            is_eligible = tf.gather(evidence.eligible, shortlist.columns(also), batch_dims=1)
            merged = tf.concat([merged, tf.where(is_eligible, also, 0)], axis=1)
        merged = tf.math.top_k(merged, size_of(merged, 1))[0]
        is_repeat = tf.pad(tf.equal(merged[:, 1:], merged[:, :-1]), [[0, 0], [1, 0]])
        merged = tf.where(is_repeat, 0, merged)
        widest = tf.reduce_max(
            tf.pad(tf.math.count_nonzero(merged, axis=1, dtype=tf.int32), [[0, 1]], constant_values=1)
        )
        return tf.math.top_k(merged, widest)[0]

    def source_scores(self, evidence: Evidence) -> dict[str, tf.Tensor]:
        """Returns each list's score of each item, `[B, L]`; what is not positive is no candidate."""
        return {
            name: score
            for source_name, source in self.by_name.items()
            for name, score in source.scores(evidence.by_source[source_name], evidence.shortlist).items()
        }

    def features(self, query: Query, evidence: Evidence, items: tf.Tensor) -> tf.Tensor:
        """Returns `[B, C, len(FEATURES)]` features of `items [B, C]`, roughly of unit size."""
        candidates = Candidates(items, evidence.shortlist.columns(items))
        found: dict[str, Column] = {}
        for name, source in self.by_name.items():
            found.update(source.features(query, evidence.by_source[name], candidates))
        columns = scaled(found)
        shape = tf.shape(items)
        # One value for all candidates of a row is repeated; the others are as wide as they should be.
        wide = {name: tf.broadcast_to(one, shape) if one.shape[1] == 1 else one for name, one in columns.items()}
        # To stack along the last axis takes four times as long.
        return tf.transpose(tf.stack([wide[name] for name in FEATURES]), [1, 2, 0])

    def strongest_source(self, evidence: Evidence, items: tf.Tensor) -> tf.Tensor:
        """Returns `[B, k]` string: the source that is most for each of `items [B, k]`, relative to its best of them."""
        candidates = Candidates(items, evidence.shortlist.columns(items))
        found = {
            f"{name} {number}": strength
            for name, source in self.by_name.items()
            for number, strength in enumerate(source.strengths(evidence.by_source[name], candidates))
        }
        strengths = scaled(found)
        best = tf.argmax(tf.stack([strengths[name] for name in found]))
        return tf.gather(tf.constant([name.split()[0] for name in found]), best)

    def _listed(
        self,
        entries: Mapping[str, Entries],
        allowed: Callable[[Shortlist], tf.Tensor],
        also: Sequence[tf.Tensor] = (),
    ) -> tuple[Shortlist, tf.Tensor]:
        """Returns the items of all entries, and which of them may be offered, `[B, L]` bool.

        In rows where limits leave too few of a ranking, longer rankings are looked at, where sources have such, then
        the whole catalogue, block by block; of what is added there, what may be offered stays. So candidates are the
        same as if all sources had scored the whole catalogue, as far as an index finds what is nearest.
        """
        listed = shortlist_of([*(one.item for one in entries.values()), *also])
        eligible = allowed(listed)
        rankings = [ranking for one in entries.values() for ranking in one.rankings]
        is_enough = _is_enough(rankings, listed, eligible)

        def added(
            base: Shortlist, is_done: tf.Tensor, wide: Shortlist, may_be: tf.Tensor
        ) -> tuple[Shortlist, tf.Tensor]:
            """Returns `base` with what may be offered of `wide`, which holds it, in rows that need more."""
            is_wanted = (may_be & ~is_done[:, None]) | (wide.marks(base.item) & (wide.item > 0))
            kept = wide.only(is_wanted)
            return kept, tf.gather(may_be, wide.columns(kept.item), batch_dims=1)

        def everything(base: Shortlist, is_done: tf.Tensor) -> list[tf.Tensor]:
            best = best_items(
                [_positive(ranking.scores) for ranking in rankings],
                [tf.where(is_done, 0, ranking.wanted) for ranking in rankings],
                allowed,
                num_rows=self.num_rows,
            )
            wide = shortlist_of([base.item, *best])
            return _parts(wide, allowed(wide))

        def longer() -> list[tf.Tensor]:
            longest = [ranking if ranking.longer is None else ranking.longer() for ranking in rankings]
            wide = shortlist_of([listed.item, *(ranking.item for ranking in longest)])
            may_be = allowed(wide)
            base, eligible = added(listed, is_enough, wide, may_be)
            is_done = is_enough | _is_enough(longest, wide, may_be)
            return tf.cond(
                tf.reduce_all(is_done), lambda: _parts(base, eligible), rare_branch(lambda: everything(base, is_done))
            )

        item, ascending, eligible = tf.cond(
            tf.reduce_all(is_enough),
            lambda: _parts(listed, eligible),
            rare_branch(longer if self.moment.is_indexed else lambda: everything(listed, is_enough)),
        )
        return Shortlist(item, ascending), eligible


def _positive(scores: Score) -> Score:
    """Returns the scores with `-inf` for those that are not positive."""

    def positive(items: tf.Tensor) -> tf.Tensor:
        score = scores(items)
        return tf.where(score > 0, score, -float("inf"))

    return positive


def _parts(shortlist: Shortlist, eligible: tf.Tensor) -> list[tf.Tensor]:
    return [shortlist.item, shortlist.ascending, eligible]


def _is_enough(rankings: Sequence[Ranking], shortlist: Shortlist, eligible: tf.Tensor) -> tf.Tensor:
    """Returns `[B]` bool: of each ranking as many items are eligible as are wanted, or it has all there are."""
    is_enough = []
    for ranking in rankings:
        may_be = tf.gather(eligible, shortlist.columns(ranking.item), batch_dims=1) & (ranking.item > 0)
        is_enough.append((tf.reduce_sum(tf.cast(may_be, tf.int32), axis=1) >= ranking.wanted) | ranking.is_whole)
    return tf.reduce_all(tf.stack(is_enough), axis=0)
