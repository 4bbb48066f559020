"""Regularization of recurrent layers: its options, the masks they draw, and weight normalization."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from nlpseq.layers.dropout import chosen, dropout_mask, over_time_shape


@dataclass(frozen=True)
class Regularization:
    """What a recurrent layer does against overfitting. Everything is off by default.

    Masks are drawn in training only. Each call and each replica of a strategy draws new ones. Dropout and weight drop
    scale up what is kept by 1 / (1 - rate), so that inference needs no scaling. Rates are at least 0 and below 1.

    Args:
        input_dropout: dropout rate of the layer's inputs (Zaremba et al. 2014, arXiv:1409.2329).
        output_dropout: dropout rate of the layer's outputs; the states it returns are left alone (the same source).
        over_time: input and output dropout draw one mask for all steps of a sequence (variational dropout, Gal &
            Ghahramani 2016, arXiv:1512.05287). If false, they draw a mask for each step.
        recurrent_dropout: dropout rate of h where it enters the recurrent product. All steps and gates share one mask
            [batch, units] (Gal & Ghahramani 2016).
        weight_drop: dropout rate of the recurrent kernel's entries. One mask serves a call (DropConnect; Merity et al.
            2017, arXiv:1708.02182, AWD-LSTM).
        zoneout_hidden: probability that a unit of h keeps its last value, drawn for each step. Inference takes the
            expectation, rate * old + (1 - rate) * new (Krueger et al. 2016, arXiv:1606.01305).
        zoneout_cell: the same for the c of an LSTM. The other cells refuse it.
        layer_norm: normalize the products W x and R h in every step, and c in the LSTM (Ba et al. 2016,
            arXiv:1607.06450; see `nlpseq.layers.normalized_cells`). The GRU needs its reset-after form.
        weight_norm: each column w of both kernels is g v / ||v||, with g and v trained (Salimans & Kingma 2016,
            arXiv:1602.07868). The kernels' variables hold v; g starts as ||v||, so that w starts as v.

    Raises:
        ValueError: a rate is outside of its range, or a switch is no bool.
    """

    input_dropout: float = 0.0
    output_dropout: float = 0.0
    over_time: bool = True
    recurrent_dropout: float = 0.0
    weight_drop: float = 0.0
    zoneout_hidden: float = 0.0
    zoneout_cell: float = 0.0
    layer_norm: bool = False
    weight_norm: bool = False

    def __post_init__(self) -> None:
        for name, value in dataclasses.asdict(self).items():
            if name in ("over_time", "layer_norm", "weight_norm"):
                if not isinstance(value, bool):
                    raise ValueError(f"Regularization({name}={value}): give true or false")
            elif isinstance(value, bool) or not 0 <= value < 1:
                raise ValueError(f"Regularization({name}={value}): a rate must be at least 0 and below 1")

    @classmethod
    def of(cls, given: Regularization | dict[str, Any] | None) -> Regularization:
        """Reads the argument of a layer.

        Args:
            given: an object of this class, the dict of a saved configuration, or None for nothing.

        Raises:
            ValueError: the dict names an option that does not exist.
        """
        if isinstance(given, Regularization):
            return given
        unknown = set(given or ()) - {field.name for field in dataclasses.fields(cls)}
        if unknown:
            known = ", ".join(field.name for field in dataclasses.fields(cls))
            raise ValueError(f"Regularization has no {', '.join(sorted(unknown))}: choose from {known}")
        return cls(**(given or {}))

    @property
    def is_random(self) -> bool:
        """Whether training draws masks of any kind."""
        rates = (self.input_dropout, self.output_dropout, self.recurrent_dropout, self.weight_drop)
        return any(rates) or any(self.zoneout)

    @property
    def zoneout(self) -> tuple[float, float]:
        """The zoneout rates of h and c."""
        return self.zoneout_hidden, self.zoneout_cell

    @property
    def changes_steps(self) -> bool:
        """Whether the step itself changes: a fused kernel cannot run it then."""
        return bool(self.recurrent_dropout or any(self.zoneout) or self.layer_norm)


@dataclass(frozen=True)
class Masks:
    """The masks of one call. Each kind has a seed of its own, and the same `seed` gives the same masks.

    Args:
        regularization: the rates.
        seed: int32 [2], the seed of the call (see `nlpseq.layers.dropout.call_seed`).
    """

    regularization: Regularization
    seed: tf.Tensor

    def inputs(self, sequence: tf.Tensor) -> tf.Tensor:
        """Factors for a sequence [batch, time, features]: of its shape, or [batch, 1, features] with `over_time`."""
        return self._over_sequence(sequence, self.regularization.input_dropout, 0)

    def outputs(self, outputs: tf.Tensor) -> tf.Tensor:
        """Factors for outputs [batch, time, units] or [batch, units]: of their shape, or time 1 with `over_time`."""
        return self._over_sequence(outputs, self.regularization.output_dropout, 1)

    def recurrent(self, hidden: tf.Tensor) -> tf.Tensor:
        """Factors [batch, units] for a hidden state of that shape."""
        return dropout_mask(tf.shape(hidden), self.regularization.recurrent_dropout, self._seed(2), hidden.dtype)

    def recurrent_kernel(self, kernel: tf.Tensor) -> tf.Tensor:
        """Factors [units, gates * units] for a kernel of that shape."""
        return dropout_mask(tf.shape(kernel), self.regularization.weight_drop, self._seed(3), kernel.dtype)

    def kept(self, time: tf.Tensor, hidden: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """bool [time, batch, units] for each state that has a zoneout rate: True where a unit keeps its value.

        The steps are in the order in which the layer reads them.
        """
        shape = tf.concat([[time], tf.shape(hidden)], axis=0)
        rates = self.regularization.zoneout
        return tuple(chosen(shape, rate, self._seed(4 + number)) for number, rate in enumerate(rates) if rate)

    def _over_sequence(self, values: tf.Tensor, rate: float, number: int) -> tf.Tensor:
        one_for_all_steps = self.regularization.over_time and len(values.shape) == 3
        shape = over_time_shape(values) if one_for_all_steps else tf.shape(values)
        return dropout_mask(shape, rate, self._seed(number), values.dtype)

    def _seed(self, number: int) -> tf.Tensor:
        return tf.random.experimental.stateless_fold_in(self.seed, number, alg="philox")


class ColumnNorms(keras.initializers.Initializer):
    """Starts g of weight normalization [m] as the norms of the columns of an existing weight [n, m]."""

    def __init__(self, weight: Any) -> None:
        self.weight = weight

    def __call__(self, shape: tuple[int, ...], dtype: Any = None) -> tf.Tensor:
        return tf.cast(tf.norm(tf.convert_to_tensor(self.weight), axis=0), dtype)


def with_norms(weight: tf.Tensor, norms: tf.Tensor) -> tf.Tensor:
    """Weight normalization: a kernel [n, m] whose columns have the directions of `weight` and the given norms [m]."""
    return tf.math.l2_normalize(weight, axis=0) * norms
