"""Applies merchandising rules to what is offered: which are in force for a request, and what each of them does."""

import tempfile
from pathlib import Path

import tensorflow as tf

from tfrec.features.rule_tables import KINDS, RULES_FILE, TABLES, RuleTables
from tfrec.models.size_of import size_of
from tfrec.models.sources.shortlist import Shortlist
from tfrec.strategy.candidate_slate import CandidateSlate

_BLOCK, _ADULTS, _NEVER_BESIDE, _WALL, _PIN, _BOOST, _BURY, _CAP = (number + 1 for number in range(len(KINDS)))
_NO_PLACE = tf.int32.max // 4  # behind every place of a slate, with room for sums


class Occasion(tf.experimental.ExtensionType):
    """What rules ask of a request, beside who asks.

    Attributes:
        signature: `[B]` int32 place of the signature in `SLATES`.
        minute: `[B]` int32 moment, in minutes since 1970-01-01 UTC; 0 = now, by the clock of the machine.
        is_adult: `[B]` bool: the shopper is known to be of age.
        beside: `[B, n]` int32 items on the page and in the cart; 0 = padding.
    """

    signature: tf.Tensor
    minute: tf.Tensor
    is_adult: tf.Tensor
    beside: tf.Tensor


class RulesInForce(tf.experimental.ExtensionType):
    """The rules that are in force for each request of a batch. `R` rules, of which 0 is none.

    Attributes:
        active: `[B, R + 1]` bool.
        blocks: `[B, R + 1]` bool: the rule's items are not offered.
        blocks_beside: `[B, R + 1]` bool: the items of the rule's other side are not offered.
        pinned: `[B, P]` int32 items that are pinned; 0 = none.
        selects: `[B]` bool: the slate as a whole is chosen by rules (pins, caps, walls, what is buried).
    """

    active: tf.Tensor
    blocks: tf.Tensor
    blocks_beside: tf.Tensor
    pinned: tf.Tensor
    selects: tf.Tensor


OCCASION_SPEC = Occasion.Spec(
    signature=tf.TensorSpec([None], tf.int32),
    minute=tf.TensorSpec([None], tf.int32),
    is_adult=tf.TensorSpec([None], tf.bool),
    beside=tf.TensorSpec([None, None], tf.int32),
)
_FLAGS = tf.TensorSpec([None, None], tf.bool)
IN_FORCE_SPEC = RulesInForce.Spec(
    active=_FLAGS,
    blocks=_FLAGS,
    blocks_beside=_FLAGS,
    pinned=tf.TensorSpec([None, None], tf.int32),
    selects=tf.TensorSpec([None], tf.bool),
)


class Merchandising:
    """The tables of a shop's rules in the graph. Their sizes are open, so that other rules need no other graph.

    Args:
        tables: the rules.
    """

    def __init__(self, tables: RuleTables) -> None:
        self._tables = {
            name: tf.Variable(getattr(tables, name), shape=[None, None], trainable=False, name=f"rule_{name}")
            for name in TABLES
        }

    @property
    def variables(self) -> list[tf.Variable]:
        """The tables."""
        return list(self._tables.values())

    def assign(self, tables: RuleTables) -> None:
        """Puts other rules in place of those there."""
        for name, table in self._tables.items():
            table.assign(getattr(tables, name))

    def tables(self) -> RuleTables:
        """Returns the rules that are there."""
        return RuleTables(**{name: table.numpy() for name, table in self._tables.items()})

    def assign_from(self, content: tf.Tensor) -> tf.Operation:
        """Returns the operation that puts the rules of `RuleTables.to_bytes` in place of those there."""
        cells = tf.io.decode_raw(content, tf.int32)
        shapes = tf.reshape(cells[: 2 * len(TABLES)], [len(TABLES), 2])
        parts = tf.split(cells[2 * len(TABLES) :], tf.reduce_prod(shapes, axis=1), num=len(TABLES))
        tables = [tf.reshape(part, shapes[place]) for place, part in enumerate(parts)]
        return tf.group(*(self._tables[name].assign(value) for name, value in zip(TABLES, tables, strict=True)))

    def in_force(self, occasion: Occasion, segment: tf.Tensor) -> RulesInForce:
        """Returns the rules in force for each request.

        Args:
            occasion: when, where and beside what something is offered.
            segment: `[B]` int32 segments of the users; 0 = unknown.
        """
        size = size_of(segment)

        def nothing() -> list[tf.Tensor]:  # a shop without rules pays for one question
            return [tf.zeros([size, 1], tf.bool)] * 3 + [tf.zeros([size, 0], tf.int32), tf.zeros([size], tf.bool)]

        parts = tf.cond(
            tf.greater(size_of(self._tables["rules"].value()), 1), lambda: self._judged(occasion, segment), nothing
        )
        return RulesInForce(*parts)

    def _judged(self, occasion: Occasion, segment: tf.Tensor) -> list[tf.Tensor]:
        """Returns the tensors of `RulesInForce`."""
        kind, start, end, _ = tf.unstack(self._tables["rules"].value(), num=4, axis=1)
        now = tf.cast(tf.timestamp() / 60.0, tf.int32)
        minute = tf.where(occasion.minute > 0, occasion.minute, now)[:, None]
        active = (start <= minute) & (minute < end) & (kind > 0)
        active &= tf.transpose(tf.gather(self._tables["segments"], segment, axis=1)) > 0
        active &= tf.transpose(tf.gather(self._tables["signatures"], occasion.signature, axis=1)) > 0
        by_context = active & (tf.equal(kind, _NEVER_BESIDE) | tf.equal(kind, _WALL))
        blocks = active & (tf.equal(kind, _BLOCK) | (tf.equal(kind, _ADULTS) & ~occasion.is_adult[:, None]))
        rule, item = tf.unstack(self._tables["pins"].value(), num=2, axis=1)
        selects = tf.equal(kind, _PIN) | tf.equal(kind, _BURY) | tf.equal(kind, _CAP) | tf.equal(kind, _WALL)
        return [
            active,
            blocks | (by_context & self._is_there("beside", occasion.beside)),
            by_context & self._is_there("members", occasion.beside),
            tf.where(tf.gather(active, rule, axis=1), item, 0),
            tf.reduce_any(active & selects, axis=1),
        ]

    def allowed(self, eligible: tf.Tensor, shortlist: Shortlist, rules: RulesInForce) -> tf.Tensor:
        """Returns `eligible [B, L]` without what rules forbid for the request.

        Args:
            eligible: bool mask of the items of `shortlist`.
            shortlist: the items in question.
            rules: the rules in force.
        """

        def of(side: str, blocks: tf.Tensor) -> tf.Tensor:
            if shortlist.is_catalogue:
                return tf.reduce_any(tf.gather(blocks, self._tables[side].value(), axis=1), axis=2)
            return tf.reduce_any(tf.gather(blocks, tf.gather(self._tables[side], shortlist.item), batch_dims=1), axis=2)

        return tf.cond(
            tf.reduce_any(rules.blocks | rules.blocks_beside),
            lambda: eligible & ~of("members", rules.blocks) & ~of("beside", rules.blocks_beside),
            lambda: tf.broadcast_to(eligible, [size_of(rules.active), size_of(eligible, 1)]),
        )

    def boosted(self, slate: CandidateSlate, rules: RulesInForce, *, is_amount: tf.Tensor) -> CandidateSlate:
        """Returns the slate with the scores of boosted items raised.

        A score on a logarithmic scale is raised by the log of the factor; an amount is multiplied by it, or divided
        where it is below 0.

        Args:
            slate: candidates in any order.
            rules: the rules in force.
            is_amount: `[B]` bool: the row's scores are amounts.
        """
        is_boost = tf.equal(self._tables["rules"][:, 0], _BOOST) & rules.active

        def raised() -> tf.Tensor:
            log = tf.where(is_boost, self._values(), 0.0)
            log = tf.reduce_sum(tf.gather(log, tf.gather(self._tables["members"], slate.item), batch_dims=1), axis=2)
            amount = tf.where(log > 0, slate.score * tf.exp(tf.where(slate.score > 0, log, -log)), slate.score)
            return tf.where(is_amount[:, None], amount, slate.score + log)

        score = tf.cond(tf.reduce_any(is_boost), raised, lambda: slate.score)
        return CandidateSlate(item=slate.item, score=score, probability=slate.probability)

    def select(self, slate: CandidateSlate, *, k: tf.Tensor, rules: RulesInForce, groups: tf.Tensor) -> CandidateSlate:
        """Returns the first `k` of each row that pins, caps and walls let stand together; what is buried comes last.

        Pinned items are taken first, then the others by their place, each if it fits what was taken: nothing that is
        left out could be added. Scores are the row's own, sorted, so that they descend along the row.

        Args:
            slate: `[B, C]` candidates, best first.
            k: `[B]` int32; the result is `[B, max(k)]` wide at most, item 0 behind each row's end.
            rules: the rules in force.
            groups: `[N + 1]` int32, equal for the variants of one product, of which one is taken; 0 = no variants.
        """
        size = tf.shape(slate.item)
        kind = self._tables["rules"][:, 0]
        members = tf.gather(self._tables["members"], slate.item)  # [B, C, M]
        acts = tf.gather(rules.active, members, batch_dims=1)
        its_kind, value = tf.gather(kind, members), tf.gather(self._values(), members)
        is_item = slate.item > 0
        place = tf.where(acts & tf.equal(its_kind, _PIN), tf.cast(value, tf.int32), _NO_PLACE)
        place = tf.reduce_min(tf.pad(place, [[0, 0], [0, 0], [0, 1]], constant_values=_NO_PLACE), axis=2)
        place = tf.where((place <= k[:, None]) & is_item, place, _NO_PLACE)
        is_buried = tf.reduce_any(acts & tf.equal(its_kind, _BURY), axis=2)
        rank = tf.range(size[1])[None, :] + tf.where(is_buried, size[1], 0)
        is_pinned = place < _NO_PLACE
        order = tf.argsort(tf.where(is_pinned, place - _NO_PLACE, rank), axis=1, stable=True)
        ordered = [tf.gather(part, order, batch_dims=1) for part in (slate.item, is_item, is_pinned, place)]
        item, is_item, is_pinned, place = ordered
        keys, most = self._counted(item, rules, groups)
        own, other = self._walls(item, rules)
        steps = tf.minimum(tf.maximum(tf.reduce_max(tf.concat([k, [0]], axis=0)), 0), size[1])

        def step(
            number: tf.Tensor, free: tf.Tensor, left: tf.Tensor, taken: tf.TensorArray
        ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.TensorArray]:
            may = free & (number < k)[:, None]
            is_any = tf.reduce_any(may, axis=1)
            at = tf.argmax(tf.cast(may, tf.int32), axis=1, output_type=tf.int32)
            chosen_keys, chosen_own, chosen_other = (
                tf.where(is_any[:, None], tf.gather(part, at, batch_dims=1), 0) for part in (keys, own, other)
            )
            left -= tf.cast(_meets(keys, chosen_keys), tf.int32)
            free &= tf.reduce_all((left > 0) | tf.equal(keys, 0), axis=2)
            free &= ~tf.reduce_any(_meets(own, chosen_other), axis=2) & ~tf.reduce_any(
                _meets(other, chosen_own), axis=2
            )
            free &= ~tf.one_hot(at, size[1], on_value=True, off_value=False, dtype=tf.bool)
            return number + 1, free, left, taken.write(number, tf.where(is_any, at, size[1]))

        *_, taken = tf.while_loop(
            lambda number, *_: number < steps,
            step,
            (0, is_item, most, tf.TensorArray(tf.int32, size=steps)),
        )
        at = tf.reshape(tf.transpose(taken.stack()), [size[0], steps])  # [B, steps]; the number of candidates = none
        at = tf.gather(at, _slots(at < size[1], _padded(is_pinned, at, False), _padded(place, at, 0)), batch_dims=1)
        chosen = _padded(order, at, size[1])
        score = _padded(slate.score, chosen, -float("inf"))
        return CandidateSlate(
            item=_padded(slate.item, chosen, 0),
            score=tf.sort(score, axis=1, direction="DESCENDING"),
            probability=_padded(slate.probability, chosen, 0.0),
        )

    def apart(self, item: tf.Tensor, *, rules: RulesInForce, groups: tf.Tensor) -> tf.Tensor:
        """Returns `[B, m, m]` bool: which of `item [B, m]` no slate holds beside each other.

        They are variants of one product, of what is capped at one, or on both sides of a wall. What is buried stands
        beside nothing: it comes last. Caps above one are not looked at.

        Args:
            item: int32 items; 0 = padding.
            rules: the rules in force.
            groups: `[N + 1]` int32, equal for the variants of one product; 0 = no variants.
        """
        keys, most = self._counted(item, rules, groups)
        own, other = self._walls(item, rules)
        members = tf.gather(self._tables["members"], item)
        is_bury = rules.active & tf.equal(self._tables["rules"][:, 0], _BURY)
        is_buried = tf.reduce_any(tf.gather(is_bury, members, batch_dims=1), axis=2)
        single = tf.where(most <= 1, keys, 0)
        is_apart = _shares(single, single) | _shares(own, other) | _shares(other, own)
        return is_apart | is_buried[:, :, None] | is_buried[:, None, :]

    def _counted(self, item: tf.Tensor, rules: RulesInForce, groups: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns `[B, C, M + 1]` int32 what each item counts to, 0 = nothing, and how many of that may be taken."""
        members = tf.gather(self._tables["members"], item)
        is_cap = tf.equal(tf.gather(self._tables["rules"][:, 0], members), _CAP)
        is_cap &= tf.gather(rules.active, members, batch_dims=1)
        # Groups of variants and keys of each rule are numbered in a range of their own.
        width = tf.reduce_max(tf.concat([tf.reshape(self._tables["keys"], [-1]), groups, [0]], axis=0)) + 1
        key = tf.cast(members, tf.int64) * tf.cast(width, tf.int64) + tf.cast(
            tf.gather(self._tables["keys"], item), tf.int64
        )
        group = tf.cast(tf.gather(groups, item), tf.int64)[..., None]
        keys = tf.concat([tf.where(is_cap, key, tf.zeros([], tf.int64)), group], axis=2)
        most = tf.cast(tf.gather(self._values(), members), tf.int32)
        return keys, tf.concat([most, tf.ones(tf.shape(group), tf.int32)], axis=2)

    def _walls(self, item: tf.Tensor, rules: RulesInForce) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the active walls on whose own and on whose other side each item is, `[B, C, M]` and `[B, C, m]`."""
        is_wall = rules.active & tf.equal(self._tables["rules"][:, 0], _WALL)
        sides = (tf.gather(self._tables[side], item) for side in ("members", "beside"))
        own, other = (tf.where(tf.gather(is_wall, side, batch_dims=1), side, 0) for side in sides)
        return own, other

    def _values(self) -> tf.Tensor:
        return tf.bitcast(self._tables["rules"][:, 3], tf.float32)

    def _is_there(self, side: str, items: tf.Tensor) -> tf.Tensor:
        """Returns `[B, R + 1]` bool: one of `items [B, n]` is on this side of the rule."""
        size, number = size_of(items), size_of(self._tables["rules"].value())
        segment = tf.gather(self._tables[side], items) + tf.range(size)[:, None, None] * number
        there = tf.math.unsorted_segment_max(tf.ones_like(segment), segment, size * number)
        return tf.reshape(there, [size, number]) > 0


def _meets(values: tf.Tensor, chosen: tf.Tensor) -> tf.Tensor:
    """Returns `[B, C, M]` bool: which of `values [B, C, M]` are among `chosen [B, m]`; 0 is among none."""
    return tf.reduce_any(tf.equal(values[..., None], chosen[:, None, None, :]), axis=3) & (values > 0)


def _shares(left: tf.Tensor, right: tf.Tensor) -> tf.Tensor:
    """Returns `[B, m, m]` bool: a value of `left [B, m, a]` is among those of `right [B, m, b]`; 0 is none."""
    left, right = left[:, :, None, :, None], right[:, None, :, None, :]
    return tf.reduce_any(tf.equal(left, right) & (left > 0), axis=[3, 4])


def _slots(is_taken: tf.Tensor, is_pinned: tf.Tensor, place: tf.Tensor) -> tf.Tensor:
    """Returns `[B, n]` int32: which column comes first, second ...: pinned ones at their places, the others around.

    Args:
        is_taken: `[B, n]` bool; the others come last.
        is_pinned: `[B, n]` bool; pinned columns stand before the others.
        place: `[B, n]` int32 places of the pinned ones, from 1.
    """
    number = size_of(place, 1)
    is_pinned &= is_taken
    slots = tf.range(number)
    occupied = tf.reduce_any(tf.equal(place[:, :, None] - 1, slots[None, None, :]) & is_pinned[:, :, None], axis=1)
    vacant = tf.argsort(tf.cast(occupied, tf.int32), axis=1, stable=True)
    among_others = tf.maximum(tf.cumsum(tf.cast(~is_pinned, tf.int32), axis=1) - 1, 0)
    slot = tf.where(is_pinned, place - 1, tf.gather(vacant, among_others, batch_dims=1))
    return tf.argsort(tf.where(is_taken, slot, number + slots[None, :]), axis=1, stable=True)


def _padded(values: tf.Tensor, at: tf.Tensor, padding: tf.Tensor | float | bool) -> tf.Tensor:
    """Returns `[B, n]` of `values [B, C]` at `at [B, n]`, and `padding` where that is `C`."""
    padded = tf.concat([values, tf.fill([size_of(values), 1], tf.cast(padding, values.dtype))], axis=1)
    return tf.gather(padded, at, batch_dims=1)


def rules_file(merchandising: Merchandising) -> tf.lookup.StaticHashTable:
    """Returns a resource that puts the rules of a file in place whenever a SavedModel that holds it is loaded.

    The file has the rules that are there now.

    The file is an asset of the SavedModel: a copy of the folder with another file there has other rules.
    """
    return tf.lookup.StaticHashTable(_FromFile(merchandising), default_value=0)


class _FromFile(tf.lookup.KeyValueTensorInitializer):
    """Assigns the tables when the runtime initialises what a SavedModel holds; the table itself has one idle cell."""

    def __init__(self, merchandising: Merchandising) -> None:
        super().__init__(tf.constant([0], tf.int64), tf.constant([0], tf.int64))
        self._merchandising = merchandising
        self._folder = tempfile.TemporaryDirectory(prefix="tfrec-")  # until the SavedModel is written
        path = Path(self._folder.name) / RULES_FILE.name
        path.write_bytes(merchandising.tables().to_bytes())
        self.file = self._track_trackable(tf.saved_model.Asset(str(path)), "file")

    def initialize(self, table: tf.lookup.StaticHashTable) -> tf.Operation:
        """Returns the operation that fills the tables, then the idle table."""
        with tf.control_dependencies([self._merchandising.assign_from(tf.io.read_file(self.file.asset_path))]):
            return super().initialize(table)
