"""What happens inside of a recurrent layer: gates and states after each step, by name."""

from __future__ import annotations

import tensorflow as tf

from nlpseq.layers import bptt
from nlpseq.layers.bidirectional import Bidirectional
from nlpseq.layers.cells import Tensors
from nlpseq.layers.recurrent import GRU, LSTM
from nlpseq.layers.recurrent_base import Recurrent

_LSTM_GATES = ("input gate", "forget gate", "candidate", "output gate")
_GRU_GATES = ("update gate", "reset gate", "candidate")

Traces = dict[str, tf.Tensor]


def directions(layer: Recurrent | Bidirectional) -> dict[str, Recurrent]:
    """Returns the layers that read a sequence, by the way they go: "forward", and "backward" if there is one."""
    if isinstance(layer, Bidirectional):
        return {"forward": layer.forward, "backward": layer.backward}
    return {"forward": layer}


def traces(layer: Recurrent, sequence: tf.Tensor) -> Traces:
    """Runs a layer in inference and returns all that its cell computed.

    Args:
        layer: built.
        sequence: float [time, features].

    Returns:
        "state" (h), for an LSTM "cell state" (c), and the gates; each float [time, units], in the order of the sequence
        also if the layer reads it backwards.
    """
    steps = tf.reverse(sequence, [0]) if layer.go_backwards else sequence
    weights = layer.prepared()
    projected = layer.affine(tf.cast(steps, layer.compute_dtype), weights)[:, None]
    initial = (tf.zeros([1, layer.units], layer.variable_dtype),) * layer.states_count
    zoneout = layer.zoneout(None, projected, initial[0])

    @tf.function(autograph=False)  # outside of a graph a long text would take minutes
    def run() -> tuple[Tensors, Tensors]:
        found = bptt.trace(layer.cell(), projected, weights.recurrent_kernel, weights.vectors, initial, zoneout)
        return found.after, found.gates

    after, gates = run()
    names = _LSTM_GATES if isinstance(layer, LSTM) else _GRU_GATES if isinstance(layer, GRU) else ()
    named = dict(zip(("state", "cell state"), after, strict=False)) | dict(zip(names, gates, strict=False))
    if layer.go_backwards:
        return {name: tf.reverse(values[:, 0], [0]) for name, values in named.items()}
    return {name: values[:, 0] for name, values in named.items()}
