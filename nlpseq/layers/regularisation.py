"""Regularisation of recurrent layers: what there is, the masks it draws, and dropout as a layer of its own."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf


@dataclass(frozen=True)
class Regularisation:
    """What a recurrent layer does against overfitting; everything is off unless it is given.

    Masks are drawn in training only, anew in every call and in every replica of a strategy. What is kept is scaled up
    by 1 / (1 - rate), so that inference needs no scaling; zoneout has its own rule. Rates are at least 0 and below 1.

    Args:
        input_dropout: rate on the layer's inputs (Zaremba et al. 2014, arXiv:1409.2329). With `ids` the rows are looked
            up before, since each step drops other values of a row.
        output_dropout: rate on the layer's outputs, not on the states it returns (the same).
        over_time: input and output dropout use one mask for all steps of a sequence (variational dropout, Gal &
            Ghahramani 2016, arXiv:1512.05287), or a fresh one at every step.
        recurrent_dropout: rate on h where it enters the recurrent product, the same mask [batch, units] at all steps
            and for all gates (Gal & Ghahramani 2016).
        weight_drop: rate on the entries of the recurrent kernel, one mask a call (DropConnect; Merity et al. 2017,
            arXiv:1708.02182, AWD-LSTM).
        zoneout_hidden: probability that a unit of h keeps its last value, drawn anew at every step; in inference the
            expectation, rate * old + (1 - rate) * new (Krueger et al. 2016, arXiv:1606.01305).
        zoneout_cell: the same of the LSTM's c.
        layer_norm: normalise the products W x and R h, and c in the LSTM, in every step (Ba et al. 2016,
            arXiv:1607.06450; see `nlpseq.layers.normalised_cells`). The GRU in its reset-after form only.
        weight_norm: each column w of both kernels is g v / ||v||, with g and v trained (Salimans & Kingma 2016,
            arXiv:1602.07868). The kernels' variables hold v; g starts as ||v||, so that w starts as v.
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
            if not isinstance(value, bool) and not 0 <= value < 1:
                raise ValueError(f"Regularisation({name}={value}): a rate must be at least 0 and below 1")

    @classmethod
    def of(cls, given: Regularisation | dict[str, Any] | None) -> Regularisation:
        """From what a layer was given: itself, the dict of a saved configuration, or None for nothing."""
        if isinstance(given, Regularisation):
            return given
        unknown = set(given or ()) - {field.name for field in dataclasses.fields(cls)}
        if unknown:
            known = ", ".join(field.name for field in dataclasses.fields(cls))
            raise ValueError(f"Regularisation has no {', '.join(sorted(unknown))}: choose from {known}")
        return cls(**(given or {}))

    @property
    def is_random(self) -> bool:
        """Whether training draws masks."""
        rates = (self.input_dropout, self.output_dropout, self.recurrent_dropout, self.weight_drop)
        return any(rates) or any(self.zoneout)

    @property
    def zoneout(self) -> tuple[float, float]:
        """The rates of h and c."""
        return self.zoneout_hidden, self.zoneout_cell

    @property
    def changes_steps(self) -> bool:
        """Whether a step itself is another one, so that only our own loop can run it (no fused kernel)."""
        return bool(self.recurrent_dropout or any(self.zoneout) or self.layer_norm)


@dataclass(frozen=True)
class Masks:
    """The masks of one call, each from a seed of its own: for the same `seed` the same ones.

    seed: int32 [2], of the call (see :func:`call_seed`).
    """

    regularisation: Regularisation
    seed: tf.Tensor

    def inputs(self, sequence: tf.Tensor) -> tf.Tensor:
        """[batch, time, features], or [batch, 1, features] with `over_time`, for a sequence of the first shape."""
        return self._over_sequence(sequence, self.regularisation.input_dropout, 0)

    def outputs(self, outputs: tf.Tensor) -> tf.Tensor:
        """[batch, time, units], or [batch, 1, units] with `over_time`; [batch, units] where outputs have that shape."""
        return self._over_sequence(outputs, self.regularisation.output_dropout, 1)

    def recurrent(self, hidden: tf.Tensor) -> tf.Tensor:
        """[batch, units], for a hidden state of that shape."""
        return self._scaled(tf.shape(hidden), self.regularisation.recurrent_dropout, 2, hidden.dtype)

    def recurrent_kernel(self, kernel: tf.Tensor) -> tf.Tensor:
        """[units, gates * units], for a kernel of that shape."""
        return self._scaled(tf.shape(kernel), self.regularisation.weight_drop, 3, kernel.dtype)

    def kept(self, time: tf.Tensor, hidden: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """Zoneout, for h and c where they have a rate: bool [time, batch, units], True where a unit keeps its value.

        The steps stand in the order in which the layer reads them.
        """
        shape = tf.concat([[time], tf.shape(hidden)], axis=0)
        rates = self.regularisation.zoneout
        return tuple(self._bits(shape, 4 + number) < threshold(rate) for number, rate in enumerate(rates) if rate)

    def _over_sequence(self, values: tf.Tensor, rate: float, number: int) -> tf.Tensor:
        shape = tf.shape(values)
        if self.regularisation.over_time and len(values.shape) == 3:
            shape = tf.stack([shape[0], 1, shape[2]])
        return self._scaled(shape, rate, number, values.dtype)

    def _scaled(self, shape: tf.Tensor, rate: float, number: int, dtype: tf.DType) -> tf.Tensor:
        return tf.cast(self._bits(shape, number) >= threshold(rate), dtype) * (1.0 / (1.0 - rate))

    def _bits(self, shape: tf.Tensor, number: int) -> tf.Tensor:
        return random_bits(shape, tf.random.experimental.stateless_fold_in(self.seed, number, alg="philox"))


def call_seed(generator: keras.random.SeedGenerator) -> tf.Tensor:
    """int32 [2]: another one in every call and in every replica of a strategy."""
    seed = tf.cast(generator.next(), tf.int32)
    context = tf.distribute.get_replica_context()
    if context is not None and context.num_replicas_in_sync > 1:
        seed = tf.random.experimental.stateless_fold_in(seed, context.replica_id_in_sync_group)
    return seed


def random_bits(shape: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """16 random bits a value, as uint16: half of what a float takes, and more than a rate needs.

    The generator has a name, since XLA would choose another one than the plain graph, and with it other masks.
    """
    size = tf.reduce_prod(shape)
    options: dict[str, Any] = {"minval": None, "maxval": None, "dtype": tf.int32, "alg": "philox"}
    drawn = tf.random.stateless_uniform([(size + 1) // 2], seed, **options)
    return tf.reshape(tf.reshape(tf.bitcast(drawn, tf.uint16), [-1])[:size], shape)


def threshold(rate: float) -> int:
    """What that part of the values of :func:`random_bits` is below."""
    return min(round(rate * 65536), 65535)


class ColumnNorms(keras.initializers.Initializer):
    """The norm of each column of a weight [n, m] that is there already: g of weight normalisation, at its start."""

    def __init__(self, weight: Any) -> None:
        self.weight = weight

    def __call__(self, shape: tuple[int, ...], dtype: Any = None) -> tf.Tensor:
        return tf.cast(tf.norm(tf.convert_to_tensor(self.weight), axis=0), dtype)


def with_norms(weight: tf.Tensor, norms: tf.Tensor) -> tf.Tensor:
    """Weight normalisation: [n, m] with the columns' directions of `weight` and the norms [m]."""
    return tf.math.l2_normalize(weight, axis=0) * norms


@keras.saving.register_keras_serializable(package="nlpseq")
class Dropout(keras.layers.Layer):
    """Zeroes a part of the values while training and scales up the rest (Srivastava et al. 2014, JMLR 15).

    Unlike ``keras.layers.Dropout``, replicas of a strategy do not share masks, and ``over_time`` uses one mask for all
    steps of a sequence (Gal & Ghahramani 2016, arXiv:1512.05287).

    Args:
        rate: part of the values that is zeroed, 0 <= rate < 1.
        over_time: one mask [batch, 1, units] instead of [batch, time, units].
        seed: of the masks; a fresh one is drawn from Keras' global seed where it is None.

    Call arguments:
        values: float [batch, time, units] (any shape without ``over_time``).
    """

    def __init__(self, rate: float, *, over_time: bool = False, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not 0 <= rate < 1:
            raise ValueError(f"Dropout(rate={rate}): the rate must be at least 0 and below 1")
        self.rate, self.over_time, self.seed = rate, over_time, seed
        self.supports_masking = True
        self.built = True
        if rate:
            self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, values: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        if not training or not self.rate:
            return values
        shape = tf.shape(values)
        if self.over_time:
            shape = tf.stack([shape[0], 1, shape[2]])
        kept = random_bits(shape, call_seed(self.seed_generator)) >= threshold(self.rate)
        return values * (tf.cast(kept, values.dtype) * (1.0 / (1.0 - self.rate)))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "rate": self.rate, "over_time": self.over_time, "seed": self.seed}
