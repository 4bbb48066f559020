"""Replicas of a strategy: each draws masks of its own, and together they give the gradients of one."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from nlpseq.layers.dropout import dropout_mask

# TensorFlow splits a device into logical ones before it is first used, or never; hence another process.
REPLICAS = """
import json
import keras
import numpy as np
import tensorflow as tf

tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)
from nlpseq.layers import GRU, LSTM
from nlpseq.layers.dropout import Dropout

strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
rates = ("input_dropout", "output_dropout", "recurrent_dropout", "weight_drop", "zoneout_hidden", "zoneout_cell")
rows = np.random.default_rng(0).normal(size=[8, 5, 4]).astype("float32")
with strategy.scope():
    keras.utils.set_random_seed(2)
    layers = {name: LSTM(6, regularization={name: 0.3}, seed=1) for name in rates}
    layers["norms"] = LSTM(6, regularization={"layer_norm": True, "weight_norm": True}, seed=1)
    for layer in layers.values():
        layer.build((None, None, 4))
    layers["dropout"] = Dropout(0.5, seed=1)
    model = keras.Sequential([keras.Input([None, 4]), LSTM(6, return_sequences=True), GRU(6)])

@tf.function
def masked():
    ones = tf.ones([2, 5, 4])
    return {name: strategy.run(lambda: layer(ones, training=True)) for name, layer in layers.items()}

def gradients(rows):
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.sin(model(rows, training=True)))
    return [tf.convert_to_tensor(g) for g in tape.gradient(loss, [w.value for w in model.trainable_variables])]

@tf.function
def summed(rows):
    return [strategy.reduce("SUM", g, axis=None) for g in strategy.run(gradients, args=(rows,))]

calls = [
    {name: [value.numpy().tolist() for value in strategy.experimental_local_results(values)]
     for name, values in masked().items()}
    for _ in range(2)
]
shards = strategy.experimental_distribute_values_from_function(
    lambda context: tf.constant(rows[context.replica_id_in_sync_group :: 2])
)
apart = [float(abs(one - other).numpy().max()) for one, other in zip(summed(shards), gradients(rows), strict=True)]
print(json.dumps({"calls": calls, "apart": apart}))
"""


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    result = subprocess.run([sys.executable, "-c", REPLICAS], capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stderr[-3000:]
    return json.loads(result.stdout.splitlines()[-1])


def test_two_replicas_give_the_gradients_of_one(found: dict[str, Any]) -> None:
    assert len(found["apart"]) == 6
    assert max(found["apart"]) < 1e-5


def test_every_call_and_replica_draws_a_mask_of_its_own(found: dict[str, Any]) -> None:
    for name in found["calls"][0]:
        drawn = [np.array(values) for call in found["calls"] for values in call[name]]
        assert all(np.isfinite(values).all() for values in drawn)
        equal = [np.array_equal(drawn[one], drawn[other]) for one in range(4) for other in range(one)]
        assert all(equal) if name == "norms" else not any(equal), name


def test_the_seed_and_the_number_of_the_replica_make_the_mask(found: dict[str, Any]) -> None:
    """So each run draws the same ones: these here were drawn in another process."""
    generator = keras.random.SeedGenerator(1)
    for call in found["calls"]:
        seed = tf.cast(generator.next(), tf.int32)
        for replica, mask in enumerate(call["dropout"]):
            of_replica = tf.random.experimental.stateless_fold_in(seed, replica)
            np.testing.assert_array_equal(mask, dropout_mask(tf.constant([2, 5, 4]), 0.5, of_replica, tf.float32))
