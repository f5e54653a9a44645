"""Builds tiny SavedModels for the serving tests; run as a script, so that the tests themselves need no TensorFlow.

`m`: a TFRS BruteForce index behind a StringLookup with two signatures, the model that the golden cases were taken from.
`shop`: an exported `tf.function` per strategy with the inputs, defaults and outputs of `schema/signatures.py`.
`plain`: echoes tensors of each dtype, fails on demand, takes a while on demand.
"""

import os
import sys
from pathlib import Path

os.environ["TF_USE_LEGACY_KERAS"] = "1"

import numpy as np
import tensorflow as tf

from tfrec.schema.signatures import SIGNATURES, Signature

NUM_ITEMS = 6


def build_m(folder: Path) -> None:
    """serving_default(user_id) -> item_ids, scores [B, 10]; two_inputs(user_id, hour) -> the same [B, 5]."""
    import tensorflow_recommenders as tfrs

    tf.keras.utils.set_random_seed(7)
    users = [f"user_{number}" for number in range(20)]
    items = tf.constant([f"item_{number}" for number in range(50)])
    tower = tf.keras.Sequential(
        [
            tf.keras.layers.StringLookup(vocabulary=users, mask_token=None),
            tf.keras.layers.Embedding(len(users) + 1, 8),
            tf.keras.layers.Dense(8, activation="relu"),
        ]
    )
    index = tfrs.layers.factorized_top_k.BruteForce(tower, k=10)
    index.index(tf.random.normal([50, 8]), items)
    index(tf.constant(["user_1"]))

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "user_id")])
    def serve(user_id):
        scores, item_ids = index(user_id)
        return {"item_ids": item_ids, "scores": scores}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "user_id"), tf.TensorSpec([None], tf.int64, "hour")])
    def serve2(user_id, hour):
        scores, item_ids = index(user_id, k=5)
        return {"item_ids": item_ids, "scores": scores + 0.01 * tf.cast(hour, tf.float32)[:, None]}

    tf.saved_model.save(index, str(folder), signatures={"serving_default": serve, "two_inputs": serve2})


def build_shop(folder: Path, *, first_price: float = 10.0) -> None:
    """Offers item_0 .. item_5, cheapest first, without what is in the cart; the reason's item is the `user_id`."""

    class Shop(tf.Module):
        def __init__(self):
            super().__init__()
            self.item_ids = tf.constant([f"item_{number}" for number in range(NUM_ITEMS)])
            self.prices = tf.Variable(first_price + np.arange(NUM_ITEMS), dtype=tf.float32)
            self.appeal = tf.Variable(tf.zeros(NUM_ITEMS))

    shop = Shop()

    def slate(inputs):
        batch = tf.shape(inputs["user_id"])[0]
        if "cart_item_ids" in inputs:
            batch = tf.maximum(batch, tf.shape(inputs["cart_item_ids"])[0])
        k = tf.minimum(tf.maximum(tf.reduce_max(inputs["k"]), 0), NUM_ITEMS)
        item_ids = tf.repeat(shop.item_ids[None], batch, 0)
        allowed = tf.ones([batch, NUM_ITEMS], tf.bool)
        if "cart_item_ids" in inputs:
            in_cart = tf.reduce_any(item_ids[:, :, None] == inputs["cart_item_ids"][:, None, :], axis=2)
            allowed = tf.logical_and(allowed, tf.logical_not(in_cart))
        base = tf.repeat((shop.appeal - tf.range(NUM_ITEMS, dtype=tf.float32))[None], batch, 0)
        scores, order = tf.math.top_k(tf.where(allowed, base, -np.inf), k=k)
        is_real = tf.logical_and(
            tf.math.is_finite(scores), tf.range(k)[None] < tf.broadcast_to(inputs["k"], [batch])[:, None]
        )

        def shown(values, empty):
            return tf.where(is_real, values, empty)

        return {
            "item_ids": shown(tf.gather(shop.item_ids, order), ""),
            "scores": shown(scores, -np.inf),
            "probabilities": shown(tf.nn.sigmoid(scores), 0.0),
            "prices": shown(tf.gather(shop.prices, order), 0.0),
            "reasons": shown(tf.fill(tf.shape(order), "bought_together"), ""),
            "reason_item_ids": shown(tf.broadcast_to(inputs["user_id"][:, None], tf.shape(order)), ""),
            "reason_counts": tf.where(is_real, order + 3, 0),
            "sources": shown(tf.fill(tf.shape(order), "cart"), ""),
        }

    def lines(inputs):
        """The cart's lines by their ids, `item_0` beside the first."""
        cart = inputs["cart_item_ids"]
        known = tf.equal(cart[:, :, None], shop.item_ids[None, None, :])
        place = tf.where(tf.reduce_any(known, axis=2), tf.argmax(tf.cast(known, tf.int32), axis=2), NUM_ITEMS)
        cart = tf.gather(cart, tf.argsort(place, axis=1, stable=True), batch_dims=1)
        is_first = (cart != "") & (tf.range(tf.shape(cart)[1]) == 0)[None, :]
        return {
            "item_ids": cart,
            "scores": tf.where(cart != "", 0.0, -np.inf),
            "complement_item_ids": tf.where(is_first, "item_0", ""),
            "complement_probabilities": tf.where(is_first, 0.5, 0.0),
            "objectives": tf.where(is_first, "margin", ""),
        }

    def with_extras(signature):
        """The same, with what the outputs of the signature have besides."""
        extras = {"total_prices": 7.0, "widgets": "recommend", "places": 1, "threshold_sets": 1, "objectives": "margin"}
        extras = {spec.name: extras[spec.name] for spec in signature.outputs if spec.name in extras}

        def compute(inputs):
            outputs = slate(inputs)
            is_real = outputs["item_ids"] != ""
            more = {name: tf.where(is_real, value, type(value)()) for name, value in extras.items()}
            return {**outputs, **more}

        return compute

    functions = {
        name: contract_function(signature, with_extras(signature) if signature.is_slate else lines)
        for name, signature in SIGNATURES.items()
        if signature.servable == "shop"
    }
    tf.saved_model.save(shop, str(folder), signatures=functions)


def contract_function(signature: Signature, compute):
    """Returns a `tf.function` with the signature's inputs and tensor-valued defaults (a row, or a row of one)."""
    names = [spec.name for spec in signature.inputs]
    specs = [tf.TensorSpec([None] * spec.rank, spec.dtype, spec.name) for spec in signature.inputs]
    defaults = {
        f"default_{spec.name}": tf.constant(spec.padding, spec.dtype, [1] * spec.rank) for spec in signature.inputs
    }
    source = f"def function({', '.join(f'{name}=default_{name}' for name in names)}):\n    return compute(locals())\n"
    scope = {"compute": compute, **defaults}
    exec(source, scope)
    return tf.function(scope["function"], input_signature=specs, autograph=False)


def build_plain(folder: Path) -> None:
    """Signatures: echo_<dtype>(x) -> y; fail(x) raises; slow(x) multiplies matrices; keep(x) returns long strings."""
    dtypes = ["string", "float32", "float64", "int32", "int64", "bool", "uint8", "int16", "float16", "complex64"]
    functions = {}
    for dtype in dtypes:
        spec = tf.TensorSpec(None, dtype, "x")
        functions[f"echo_{dtype}"] = tf.function(lambda x: {"y": tf.identity(x)}, input_signature=[spec])

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, "x")])
    def fail(x):
        with tf.control_dependencies([tf.debugging.assert_non_negative(x, "x must not be negative")]):
            return {"y": tf.identity(x)}

    @tf.function(input_signature=[tf.TensorSpec([], tf.int32, "rounds")])
    def slow(rounds):
        start = tf.random.stateless_normal([600, 600], [1, 2]) / 30
        return {"y": tf.while_loop(lambda i, _: i < rounds, lambda i, m: (i + 1, tf.tanh(m @ start)), [0, start])[1][0]}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "x")])
    def join(x):
        return {"y": tf.strings.join([x, tf.constant("-" * 40)])}

    tf.saved_model.save(tf.Module(), str(folder), signatures={**functions, "fail": fail, "slow": slow, "join": join})


if __name__ == "__main__":
    out = Path(sys.argv[1])
    build_m(out / "m" / "1")
    build_shop(out / "shop" / "1")
    build_shop(out / "shop_dearer" / "2", first_price=20.0)
    build_plain(out / "plain" / "1")
