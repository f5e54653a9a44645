"""Exports the trained funnel as SavedModels for stock TF Serving: raw ids in and out, every input optional.

Three servables share one version number: `shop/N` (the whole funnel), `retrieval/N` and `ranking/N`. A baseline becomes
a fourth, `fallback/N`, with the signatures of `shop` and numbers of its own. Each is written beside its place and
renamed, so that a server never sees half a version.
"""

import dataclasses
import errno
import functools
import inspect
import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from tfrec.baselines.fitted import FittedBaseline
from tfrec.errors import SourceError
from tfrec.features.queries import HEADS
from tfrec.features.rule_tables import RuleTables
from tfrec.features.shop import Shop
from tfrec.features.stored_users import StoredUsers
from tfrec.models.baseline_sources import CalibratedScore
from tfrec.models.graph_tables import codes_of
from tfrec.models.shared_graphs import graphs_as_written
from tfrec.models.sources.item_index import IndexFacts
from tfrec.publish import LAST_VERSION, FolderKind, check_claim, clear_stale, publishing, take_version
from tfrec.schema import wire
from tfrec.schema.inputs import PLACES_BY, WIDGETS, InputSpec
from tfrec.schema.signatures import SIGNATURES, Signature
from tfrec.serving.known_ids import write_known_ids
from tfrec.serving.models_config import FALLBACK
from tfrec.strategy.arrange_cart import Arrangements
from tfrec.strategy.baseline_reasons import explain_baseline
from tfrec.strategy.bundle import Bundles
from tfrec.strategy.candidate_slate import CandidateSlate
from tfrec.strategy.config import StrategyConfig
from tfrec.strategy.funnel import Funnel
from tfrec.strategy.merchandising import rules_file
from tfrec.strategy.objectives import chosen_objective, objective_names
from tfrec.strategy.page import Pages
from tfrec.strategy.reasons import Reasons
from tfrec.strategy.request import Request
from tfrec.training import TrainedFunnel, TrainingConfig, build_baseline_sources
from tfrec.training.equal_rows import with_equal_rows
from tfrec.training.indexes import build_indexes
from tfrec.training.request_reader import RequestReader
from tfrec.training.saved_graph import shrink_saved_model

logger = logging.getLogger(__name__)

SERVABLES = ("retrieval", "ranking", "shop")

_VERSION = FolderKind("a version of a servable")
_DTYPES = {"string": tf.string, "float32": tf.float32, "int32": tf.int32}


class Finish(Protocol):
    """Completes the folder of a version before it becomes visible."""

    def __call__(self, folder: Path, *, servable: str, contract: str, version: int) -> None:
        """Writes into `folder`; `contract` is the servable of the contract whose signatures `servable` has."""


class ServedFunnel:
    """A funnel with raw ids at its edges: look-ups in front, decoding behind, one `tf.function` for each signature.

    Attributes:
        functions: name → the exported function; inputs as `schema.signatures` says, each with its default.
        vocabularies: name → the ids that are known.
        indexes: name of a search → its index; those that compare all items are left out.

    Args:
        shop: gives the vocabularies.
        funnel: answers in indices.
        user_ids: `[U]` ids of the users that the funnel's tables store; None = all of the shop.
        indexes: what the funnel's sources search instead of the whole catalogue; None = nothing.
    """

    def __init__(
        self,
        shop: Shop,
        funnel: Funnel,
        user_ids: np.ndarray | None = None,
        indexes: Mapping[str, IndexFacts] | None = None,
    ) -> None:
        self.funnel, self.indexes = funnel, dict(indexes or {})
        self._bundles, self._pages, self._arrangements = Bundles(funnel), Pages(funnel), Arrangements(funnel)
        user_ids = shop.users.tokens if user_ids is None else user_ids
        vocabularies = shop.vocabularies
        self._read = RequestReader(shop, user_ids, view_type=funnel.sources.view_type)
        self.vocabularies = {
            "items": vocabularies.items.tokens.tolist(),
            "users": user_ids.tolist(),
            "categories": vocabularies.categories.tokens.tolist(),
            "attributes": vocabularies.catalogue.attributes.texts.tolist(),
        }
        if left_out := vocabularies.catalogue.attributes.left_out:
            logger.info("Requests cannot be limited by %s: too many values.", ", ".join(left_out))
        self._item_ids = self._read.item_ids
        self.functions: dict[str, Any] = {name: self._function(signature) for name, signature in SIGNATURES.items()}

    def answer(self, name: str, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Returns what a signature computes of inputs `[B, ...]` in this process; strings as `str`.

        Only the graphs that signatures share run as such. The runtime takes a second to prepare the graph of a whole
        signature: longer than a certificate's queries take without it.
        """
        tensors = {
            alias: tf.constant(value.tolist(), tf.string) if value.dtype == object else tf.constant(value)
            for alias, value in inputs.items()
        }
        defaults = {spec.name: _default(spec) for spec in SIGNATURES[name].inputs}
        with graphs_as_written():
            outputs = self._outputs_of(name, {**defaults, **tensors})
        return {alias: _as_array(tensor) for alias, tensor in outputs.items()}

    def module(self, servable: str) -> tuple[tf.Module, dict[str, Any]]:
        """Returns what one SavedModel holds: the variables and tables that its signatures read, and the signatures.

        Keras models are left out: their own way of saving would write traces and optimiser slots that serving does not
        use. Signatures are concrete functions: of others TensorFlow would trace the graphs again to save them.
        """
        names = [signature.name for signature in SIGNATURES.values() if signature.servable == servable]
        signatures = {name: self.functions[name].get_concrete_function() for name in names}
        captured = {id(tensor) for function in signatures.values() for tensor in function.captured_inputs}
        module = tf.Module(name=servable)
        module.lookups, module.texts = self._read.lookups, self._read.texts
        module.tables = [variable for variable in self.funnel.variables if id(variable.handle) in captured]
        if any(id(variable.handle) in captured for variable in self.funnel.merchandising.variables):
            module.rule_tables = self.funnel.merchandising.variables
            module.rules = rules_file(self.funnel.merchandising)
        return module, signatures

    def _function(self, signature: Signature) -> Callable[..., dict[str, tf.Tensor]]:
        """Returns the `tf.function` of a signature, in which an input that is left out is one row of padding."""

        def serve(*values: tf.Tensor) -> dict[str, tf.Tensor]:
            named = dict(zip((spec.name for spec in signature.inputs), values, strict=True))
            return self._outputs_of(signature.name, named)

        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        serve.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
            [inspect.Parameter(spec.name, kind, default=_default(spec)) for spec in signature.inputs]
        )
        serve.__name__ = signature.name
        specs = [tf.TensorSpec([None] * spec.rank, _DTYPES[spec.dtype], name=spec.name) for spec in signature.inputs]
        # Nothing below branches on a tensor in Python: AutoGraph would take a third of the time and change nothing.
        return tf.function(serve, input_signature=specs, autograph=False)

    def _outputs_of(self, name: str, inputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        answer: Callable[..., dict[str, tf.Tensor]]
        answer = functools.partial(self._slate, name) if name in WIDGETS else getattr(self, f"_{name}")
        return answer(with_equal_rows(_without_nan(inputs, SIGNATURES[name])))

    # One method a signature, named after it; slates of one strategy have theirs in common.

    def _slate(self, name: str, inputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        request = self._read.request(inputs)
        chosen, reasons = self.funnel.answer(name, request)
        outputs = self._outputs(chosen.slate, reasons)
        if name == "complete_cart":
            outputs["threshold_sets"] = chosen.threshold_set
        if name == "upsell":
            outputs["objectives"] = self._objectives(
                request, chosen.slate.item > 0, self.funnel.strategy.upsell.objective
            )
        return outputs

    def _bundle(self, inputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        slate, reasons, total = self._bundles.answer(self._read.request(inputs))
        return {**self._outputs(slate, reasons), "total_prices": total}

    def _page(self, inputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        codes, sizes = self._read.widgets(inputs)
        places_by = codes_of(inputs["places_by"], PLACES_BY)
        page = self._pages.answer(self._read.request(inputs), codes, sizes, places_by)
        return {
            **self._outputs(page.chosen.slate, page.reasons),
            "widgets": tf.gather(tf.constant(["", *WIDGETS]), page.widget),
            "places": page.place,
            "threshold_sets": page.chosen.threshold_set,
        }

    def _arrange_cart(self, inputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        cart = _padding_last(inputs["cart_item_ids"])
        longest = tf.reduce_max(tf.concat([tf.reduce_sum(tf.cast(cart != "", tf.int32), axis=1), [0]], axis=0))
        cart = cart[:, :longest]  # no slate for padding
        request = self._read.request({**inputs, "cart_item_ids": cart})
        lines = self._arrangements.answer(request, tf.not_equal(cart, ""))
        return {
            "item_ids": tf.gather(cart, lines.place, batch_dims=1),
            "scores": lines.score,
            "complement_item_ids": tf.gather(self._item_ids, lines.complement),
            "complement_probabilities": lines.probability,
            "objectives": self._objectives(request, lines.complement > 0, self.funnel.strategy.arrange_cart.objective),
        }

    def _objectives(self, request: Request, is_scored: tf.Tensor, default: str) -> tf.Tensor:
        """Returns `[B, k]` string: what the scores are of; "" where there is none."""
        has_margins = self.funnel.sources.has_margins
        names = objective_names(chosen_objective(request.objective, default=default), has_margins=has_margins)
        return tf.where(is_scored, names[:, None], "")

    def _retrieve(self, inputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        slate = self.funnel.retrieve(self._read.query(inputs), inputs["k"])
        return {"item_ids": tf.gather(self._item_ids, slate.item), "scores": slate.score}

    def _rank(self, inputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        query = self._read.query(inputs)
        sent = _padding_last(inputs["candidate_item_ids"])
        candidates = self._read.items.lookup(sent)
        ranking = self.funnel.ranking
        score, logits = self.funnel.rank(query, candidates)
        is_known = candidates > 0
        outputs = {
            "item_ids": sent,
            "scores": tf.where(is_known, score, -float("inf")),
        }
        for head in HEADS:  # the contract names them all; what the log could not teach has no probability
            probability = tf.zeros_like(score)
            if head in ranking.heads:
                probability = tf.where(is_known, tf.sigmoid(logits[..., ranking.heads.index(head)]), 0.0)
            outputs[f"{head}_probabilities"] = probability
        return outputs

    def _outputs(self, slate: CandidateSlate, reasons: Reasons) -> dict[str, tf.Tensor]:
        return {
            "item_ids": tf.gather(self._item_ids, slate.item),
            "scores": slate.score,
            "probabilities": slate.probability,
            "prices": tf.gather(self.funnel.sources.price, slate.item),
            "reasons": reasons.code,
            "reason_item_ids": tf.gather(self._item_ids, reasons.item),
            "reason_counts": reasons.count,
            "sources": reasons.source,
        }


def build_served_funnel(
    shop: Shop, trained: TrainedFunnel, config: TrainingConfig, rules: RuleTables | None = None
) -> ServedFunnel:
    """Returns the funnel that `export_servables` saves; call its signatures in Python to compare.

    Args:
        shop: gives the vocabularies.
        trained: the trained models.
        config: their settings.
        rules: the shop's merchandising rules; None = there are none.
    """
    users = StoredUsers.parse(config.users).choose(trained.feature_tables)
    sources = trained.sources(shop, config.sources, features=config.features, users=users)
    indexes = build_indexes(sources, trained.feature_tables, config.index)
    fatigue = shop.fatigue(config.strategy.fatigue.factor)
    funnel = Funnel(sources, trained.ranking, strategy=config.strategy, rules=rules, fatigue=fatigue)
    return ServedFunnel(shop, funnel, shop.users.tokens[users - 1], indexes)


def export_servables(served: ServedFunnel, out: Path, *, about: dict[str, object], finish: Finish | None = None) -> int:
    """Saves the three servables under the next version number, one never given before, and returns it.

    Args:
        served: the funnel.
        out: folder of servables; `out/shop/N` and its siblings appear by rename.
        about: what is written to `assets.extra/tfrec.json` of each version.
        finish: adds to each version before it appears, such as `tfrec.release.certify.Certifier`.

    Raises:
        SourceError: the disk is full.
    """
    contracts = {name: name for name in SERVABLES}
    return _export(served, out, contracts, memory=LAST_VERSION, about=about, finish=finish)


def build_served_baseline(
    shop: Shop,
    fitted: FittedBaseline,
    strategy: StrategyConfig = StrategyConfig(),
    rules: RuleTables | None = None,
) -> ServedFunnel:
    """Returns the funnel that `export_fallback` saves: its order is the baseline's own."""
    sources, score = build_baseline_sources(shop, fitted), CalibratedScore(fitted.calibration)
    fatigue = shop.fatigue(strategy.fatigue.factor)
    return ServedFunnel(shop, Funnel(sources, score, explain_baseline, strategy=strategy, rules=rules, fatigue=fatigue))


def export_fallback(served: ServedFunnel, out: Path, *, about: dict[str, object], finish: Finish | None = None) -> int:
    """Saves a baseline as the next version of `fallback`, one never given before, and returns its number.

    Args:
        served: result of `build_served_baseline`.
        out: folder of servables.
        about: what is written to `assets.extra/tfrec.json`.
        finish: see `export_servables`.

    Raises:
        SourceError: the disk is full.
    """
    memory = f"{LAST_VERSION}_{FALLBACK}"
    return _export(served, out, {FALLBACK: "shop"}, memory=memory, about=about, finish=finish)


def _export(
    served: ServedFunnel,
    out: Path,
    contracts: Mapping[str, str],
    *,
    memory: str,
    about: dict[str, object],
    finish: Finish | None,
) -> int:
    """Saves servables, name → the servable of the contract whose signatures it has, under one new number."""
    check_claim(out)
    version = take_version(out, contracts, memory=memory)
    for name, contract in contracts.items():
        clear_stale(out / name)
        with _full_disk_named(out), publishing(out / name / str(version), _VERSION, is_new=True) as work:
            _save(served, contract, work)
            # A server limits requests by what a row costs, which grows with the items; of users it has what is stored.
            sizes = {kind: len(served.vocabularies[kind]) for kind in ("items", "users")}
            indexes = {search: dataclasses.asdict(facts) for search, facts in served.indexes.items()}
            noted = {**about, "servable": name, "version": version, **sizes, "indexes": indexes}
            extra = work / "assets.extra"
            extra.mkdir(exist_ok=True)
            write_known_ids(work, served.vocabularies)
            (extra / "tfrec.json").write_text(json.dumps(noted, indent=2))
            if finish is not None:
                finish(work, servable=name, contract=contract, version=version)
        logger.info("Published %s", out / name / str(version))
    return version


def _save(served: ServedFunnel, contract: str, folder: Path) -> None:
    """Saves the signatures of one servable.

    A server inlines the graphs that they call and optimises the whole; where one is not set to (a gate, a
    verification), no part would be worth the seconds it takes.
    """
    with graphs_as_written():
        module, signatures = served.module(contract)
        tf.saved_model.save(module, str(folder), signatures=signatures)
    shrink_saved_model(folder / "saved_model.pb")
    _complete(folder / "saved_model.pb", list(signatures))


def _complete(saved_model: Path, names: Sequence[str]) -> None:
    """Adds to a saved graph what its signatures lack: the defaults of their inputs, and `serving_default`.

    That is another name of the first: TensorFlow's own would have other inputs, and so be one more graph to optimise.
    """
    message = wire.SavedModel.FromString(saved_model.read_bytes())
    for meta_graph in message.meta_graphs:
        for name in names:
            for spec in SIGNATURES[name].inputs:
                default = wire.to_tensor_proto(_default(spec).numpy())
                meta_graph.signature_def[name].defaults[spec.name].CopyFrom(default)
        meta_graph.signature_def[wire.DEFAULT_SIGNATURE].CopyFrom(meta_graph.signature_def[names[0]])
    saved_model.write_bytes(message.SerializeToString())


@contextmanager
def _full_disk_named(out: Path) -> Iterator[None]:
    """Turns TensorFlow's or the system's error of a full disk into one that says what to do.

    Raises:
        SourceError: the disk is full.
    """
    try:
        yield
    except (tf.errors.OpError, OSError) as error:
        is_full = isinstance(error, OSError) and error.errno == errno.ENOSPC
        if is_full or "No space left on device" in str(error):
            raise SourceError(
                f"The disk of {out} is full, so no version was published there; the older ones are untouched. "
                "Make room, or name another folder, and run the same command again."
            ) from error
        raise


def _as_array(tensor: tf.Tensor) -> np.ndarray:
    """Returns the tensor as an array of the same shape; strings as `str`, bad UTF-8 as lone surrogates."""
    array = tensor.numpy()
    if array.dtype != object:
        return array
    decoded = np.empty(array.size, object)
    decoded[:] = [text.decode("utf-8", "surrogateescape") for text in array.ravel()]
    return decoded.reshape(array.shape)


def _padding_last(ids: tf.Tensor) -> tf.Tensor:
    """Returns `ids [B, n]` in their order, with padding behind them."""
    is_padding = tf.cast(tf.equal(ids, ""), tf.int32)
    order = tf.argsort(is_padding, axis=1, stable=True)
    return tf.gather(ids, order, batch_dims=1)


def _default(spec: InputSpec) -> tf.Tensor:
    """Returns the padding value of an input, `[1]` or `[1, 1]`."""
    value = spec.padding
    return tf.constant([value] if spec.rank == 1 else [[value]], _DTYPES[spec.dtype])


def _without_nan(inputs: dict[str, tf.Tensor], signature: Signature) -> dict[str, tf.Tensor]:
    """Returns the inputs with the padding value, which changes no answer, in place of what is no number."""
    padding = {spec.name: spec.padding for spec in signature.inputs if spec.dtype == "float32"}
    return {
        name: tf.where(tf.math.is_nan(value), padding[name], value) if name in padding else value
        for name, value in inputs.items()
    }
