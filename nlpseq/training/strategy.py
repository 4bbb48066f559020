"""Which processors a run uses."""

from __future__ import annotations

import tensorflow as tf

from nlpseq.cores import available_cores


def make_strategy(replicas: int) -> tf.distribute.Strategy:
    """One replica a GPU, or else one a core, each computing on one thread of its own.

    Recurrent steps multiply small matrices, which gain nothing from being spread over threads: two halves of a batch
    side by side, on a core each, take less time than the whole batch on both.

    Args:
        replicas: 0 takes all there are.
    """
    gpus = tf.config.list_logical_devices("GPU") if tf.config.list_physical_devices("GPU") else []
    if gpus:
        names = [gpu.name for gpu in gpus[: replicas or len(gpus)]]
        return tf.distribute.MirroredStrategy(names) if len(names) > 1 else tf.distribute.OneDeviceStrategy(names[0])
    wanted = replicas or available_cores()
    try:
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(max(wanted, 2))
        tf.config.set_logical_device_configuration(
            tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * wanted
        )
    except RuntimeError:
        # TensorFlow is already at work in this process: its devices and threads are what they are.
        wanted = min(wanted, len(tf.config.list_logical_devices("CPU")))
    if wanted == 1:
        return tf.distribute.OneDeviceStrategy("CPU:0")
    return tf.distribute.MirroredStrategy([f"CPU:{index}" for index in range(wanted)])
