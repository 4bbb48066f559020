"""Runs a cell over a sequence, with a hand-written back-propagation through time (Werbos 1990).

Everything here is time-major: a sequence is [time, batch, features]. The caller computes the input's projection x W + b
as one GEMM over all steps. The forward loop computes only what depends on the step before. The backward pass computes
the elementwise factors for all steps at once, loops in reverse over what depends on the next step's gradient, and
computes the recurrent weights' gradient as one GEMM over all steps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from nlpseq.layers.cells import Cell, Tensors, Trace, Weights

_PART = 32  # steps in a part; see `scan`


@dataclass(frozen=True)
class Zoneout:
    """Units that keep their last value instead of taking the new one (Krueger et al. 2016, arXiv:1606.01305).

    Args:
        rates: rate of each state. A state with rate 0 always takes its new value.
        kept: in training, bool [time, batch, units] for each state that has a rate: True where it keeps its value.
            Empty in inference, which takes the expectation, rate * old + (1 - rate) * new.
    """

    rates: tuple[float, ...]
    kept: Tensors = ()

    def of_rated(self, states: Tensors) -> Tensors:
        """Returns the states that have a rate."""
        return tuple(state for state, rate in zip(states, self.rates, strict=True) if rate)

    def mix(self, new: Tensors, old: Tensors, kept: Tensors) -> Tensors:
        """Returns the states after a step, from the cell's new ones and the old ones. `kept` is that of the step."""
        at_step = iter(kept)

        def one(rate: float, new: tf.Tensor, old: tf.Tensor) -> tf.Tensor:
            if not rate:
                return new
            return tf.where(next(at_step), old, new) if self.kept else new + rate * (old - new)

        return tuple(one(*values) for values in zip(self.rates, new, old, strict=True))

    def gradient(self, d_after: Tensors, kept: Tensors) -> Tensors:
        """Returns the gradients of the cell's new states. The rest of `d_after` belongs to the old states."""
        at_step = iter(kept)

        def one(rate: float, d: tf.Tensor) -> tf.Tensor:
            if not rate:
                return d
            return tf.where(next(at_step), tf.zeros_like(d), d) if self.kept else (1 - rate) * d

        return tuple(one(*values) for values in zip(self.rates, d_after, strict=True))


def run(
    cell: Cell,
    projected: tf.Tensor,
    kernel: tf.Tensor,
    vectors: Tensors,
    initial: Tensors,
    mask: tf.Tensor | None = None,
    *,
    dropout: tf.Tensor | None = None,
    zoneout: Zoneout | None = None,
    every_state: bool = False,
    keep: bool = True,
) -> Tensors:
    """Runs a cell over a sequence. Everything but the masks has a gradient.

    Args:
        cell: the cell.
        projected: [time, batch, gates * units], x W + b, in the kernel's dtype.
        kernel: the recurrent kernel [units, gates * units]. Products are computed in its dtype.
        vectors: the cell's further vectors, as in :class:`Weights`.
        initial: the states before the first step, each [batch, units]. Everything but products has their dtype.
        mask: bool [time, batch, 1]; a step that is False carries the states on. None: every step counts.
        dropout: factors [batch, units], as in :class:`Weights`.
        zoneout: the units that keep their values.
        every_state: return all states after each step.
        keep: keep the gates for the backward pass. Without them (inference) a gradient runs the forward pass again.

    Returns:
        h after each step [time, batch, units], and the states after the last step, each [batch, units]. With
        `every_state` the states after each step instead, each [time, batch, units], h first.
    """

    @tf.custom_gradient
    def differentiable(
        projected: tf.Tensor, kernel: tf.Tensor, *arguments: tf.Tensor
    ) -> tuple[Tensors, Callable[..., Tensors]]:
        initial, vectors = arguments[: cell.states], arguments[cell.states :]
        weights = Weights(cell.parts(kernel), tuple(tf.cast(v, initial[0].dtype) for v in vectors), dropout)
        trace, final = _forward(cell, projected, weights, initial, mask, zoneout, keep, every_state)

        def gradient(*d_results: tf.Tensor) -> Tensors:
            kept = trace if keep else _forward(cell, projected, weights, initial, mask, zoneout, True, True)[0]
            d_sequences, d_final = (d_results, ()) if every_state else (d_results[:1], d_results[1:])
            d_final = d_final or tuple(tf.zeros_like(state) for state in final)
            (d_pre, *further), d_initial = _backward(cell, kept, mask, zoneout, d_sequences, d_final)
            d_kernel, *d_vectors = cell.weight_gradients(kept, d_pre, *further)
            d_vectors = [tf.cast(d, vector.dtype) for d, vector in zip(d_vectors, vectors, strict=False)]
            return (d_pre, d_kernel, *d_initial, *d_vectors)

        return trace.after if every_state else (trace.after[0], *final), gradient

    return differentiable(projected, kernel, *initial, *vectors)


def trace(
    cell: Cell, projected: tf.Tensor, kernel: tf.Tensor, vectors: Tensors, initial: Tensors, zoneout: Zoneout | None
) -> Trace:
    """Runs a cell over a sequence and returns all that it did; without a gradient. The arguments are those of `run`."""
    weights = Weights(cell.parts(kernel), tuple(tf.cast(v, initial[0].dtype) for v in vectors))
    return _forward(cell, projected, weights, initial, None, zoneout, True, True)[0]


def _forward(
    cell: Cell,
    projected: tf.Tensor,
    weights: Weights,
    initial: Tensors,
    mask: tf.Tensor | None,
    zoneout: Zoneout | None,
    keep: bool,
    every_state: bool,
) -> tuple[Trace, Tensors]:
    """Runs the steps in the order of time.

    Returns:
        The trace, and the states after the last step, each [batch, units]. Without `keep` the trace holds only the
        states after each step, and only h unless `every_state`.
    """
    units, dtype = initial[0].shape[-1], initial[0].dtype
    masks = () if mask is None else (mask,)
    kept_units = () if zoneout is None else zoneout.kept

    def step(values: Tensors, states: Tensors) -> tuple[Tensors, Tensors]:
        own, gates = cell.step(tf.cast(values[0], dtype), states, weights)
        after = own if zoneout is None else zoneout.mix(own, states, values[1 + len(masks) :])
        if mask is not None:
            after = tuple(tf.where(values[1], new, old) for new, old in zip(after, states, strict=True))
        rated = () if zoneout is None else zoneout.of_rated(own)
        return after, (*after, *gates, *rated) if keep else after[:stored]

    stored = cell.states if keep or every_state else 1
    rated = () if zoneout is None else zoneout.of_rated((1,) * cell.states)
    widths = [units] * stored + [units * width for width in (*cell.kept, *rated) if keep]
    outputs, final = scan(step, [projected, *masks, *kept_units], initial, widths, dtype, in_parts=not keep)
    if not keep:
        return Trace(initial, outputs, outputs, (), weights), final
    after, gates = outputs[:stored], outputs[stored : stored + len(cell.kept)]
    own = iter(outputs[stored + len(gates) :])
    rates = (0.0,) * cell.states if zoneout is None else zoneout.rates
    owned = tuple(next(own) if rate else state for rate, state in zip(rates, after, strict=True))
    return Trace(initial, after, owned, gates, weights), final


def _backward(
    cell: Cell,
    trace: Trace,
    mask: tf.Tensor | None,
    zoneout: Zoneout | None,
    d_sequences: Tensors,
    d_final: Tensors,
) -> tuple[Tensors, Tensors]:
    """Runs the steps' gradients from the last step to the first.

    The states' gradients pass through a masked step, and its projected input gets none. They also pass through the
    units that zoneout keeps.

    Returns:
        The gradient of the projected input [time, batch, gates * units], followed by the cell's further tensors; and
        the gradients of the initial states, each [batch, units].
    """
    kernels = trace.weights.kernels
    units, dtype = d_final[0].shape[-1], kernels[0].dtype
    transposed = Weights(tuple(tf.transpose(part) for part in kernels), trace.weights.vectors, trace.weights.dropout)
    factors = cell.factors(trace)
    kept_units = () if zoneout is None else zoneout.kept

    def step(values: Tensors, d_after: Tensors) -> tuple[Tensors, Tensors]:
        d_outputs, at_step = values[: len(d_sequences)], values[len(d_sequences) : len(d_sequences) + len(factors)]
        d_after = tuple(d + out for d, out in zip(d_after, d_outputs, strict=False)) + d_after[len(d_outputs) :]
        if zoneout is None:
            d_before, d_inputs = cell.step_gradient(at_step, d_after, transposed)
        else:
            d_own = zoneout.gradient(d_after, values[len(d_sequences) + len(factors) :])
            d_before, d_inputs = cell.step_gradient(at_step, d_own, transposed)
            d_before = tuple(
                d + after - own if rate else d
                for rate, d, after, own in zip(zoneout.rates, d_before, d_after, d_own, strict=True)
            )
        if mask is not None:
            d_before = tuple(tf.where(values[-1], new, old) for new, old in zip(d_before, d_after, strict=True))
            d_inputs = tuple(tf.where(values[-1], d, tf.zeros_like(d)) for d in d_inputs)
        return d_before, tuple(tf.cast(d, dtype) for d in d_inputs)

    sequences = [*d_sequences, *factors, *kept_units] + ([] if mask is None else [mask])
    widths = [units * width for width in (cell.gates, *cell.further)]
    return scan(step, sequences, d_final, widths, dtype, reverse=True)


def scan(
    step: Callable[[Tensors, Tensors], tuple[Tensors, Tensors]],
    sequences: Sequence[tf.Tensor],
    carry: Tensors,
    widths: Sequence[int],
    dtype: tf.DType,
    *,
    reverse: bool = False,
    in_parts: bool = False,
) -> tuple[Tensors, Tensors]:
    """Runs a step over the time dimension.

    Args:
        step: (values at t, carry) -> (carry, outputs at t).
        sequences: each [time, batch, ...].
        carry: each [batch, n], before the first step.
        widths: the last dimension of each output.
        dtype: dtype of the outputs.
        reverse: run from the last step to the first. The outputs stay in the order of time.
        in_parts: collect the outputs of one sequence (batch 1) in parts. TensorFlow Lite copies everything that a loop
            carries in every step: it would copy the outputs of 400 steps 400 times.

    Returns:
        outputs: each [time, batch, width].
        carry: after the last step.
    """
    static_length = sequences[0].shape[0]
    if static_length == 1:  # a decoder's step: a loop would cost more than what is in it
        carry, values = step(tuple(tf.squeeze(s, 0) for s in sequences), carry)
        return tuple(tf.expand_dims(value, 0) for value in values), carry
    length = tf.shape(sequences[0])[0] if static_length is None else static_length
    batch = carry[0].shape[0]

    def run(start: Any, stop: Any, size: Any, carry: Tensors) -> tuple[Tensors, Tensors]:
        """Runs the steps from start to stop. Returns outputs, each [size, batch, width], and the carry."""
        outputs = [tf.TensorArray(dtype, size, element_shape=[batch, width]) for width in widths]

        def body(i: tf.Tensor, carry: Tensors, outputs: list[tf.TensorArray]) -> tuple:
            t = length - 1 - i if reverse else i
            # A TensorArray would copy the whole sequence when it is filled: 5 % of a training step.
            carry, values = step(tuple(tf.gather(s, t) for s in sequences), carry)
            at = t - start
            return i + 1, carry, [array.write(at, value) for array, value in zip(outputs, values, strict=True)]

        _, carry, outputs = tf.while_loop(lambda i, *_: i < stop, body, (tf.convert_to_tensor(start), carry, outputs))
        return tuple(array.stack() for array in outputs), carry

    if not (in_parts and batch == 1 and static_length is None and not reverse):
        stacked, carry = run(0, length, length, carry)
    else:
        parts = [tf.TensorArray(dtype, -(-length // _PART), element_shape=[_PART, batch, width]) for width in widths]

        def part(start: tf.Tensor, carry: Tensors, parts: list[tf.TensorArray]) -> tuple:
            values, carry = run(start, tf.minimum(start + _PART, length), _PART, carry)
            at = start // _PART
            shaped = [tf.ensure_shape(v, [_PART, batch, width]) for v, width in zip(values, widths, strict=True)]
            return start + _PART, carry, [array.write(at, value) for array, value in zip(parts, shaped, strict=True)]

        _, carry, parts = tf.while_loop(lambda start, *_: start < length, part, (tf.constant(0), carry, parts))
        stacked = tuple(
            tf.reshape(array.stack(), [-1, batch, width])[:length] for array, width in zip(parts, widths, strict=True)
        )
    for sequence, width in zip(stacked, widths, strict=True):
        sequence.set_shape([static_length, batch, width])
    return stacked, carry
