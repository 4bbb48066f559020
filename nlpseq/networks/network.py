"""What the networks share: settings of their recurrent layers, and how a network is built, saved and loaded."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import keras
import tensorflow as tf

from nlpseq.config import Section, setting
from nlpseq.errors import UserError
from nlpseq.layers.dropout import Dropout
from nlpseq.layers.regularization import Regularization
from nlpseq.layers.stack import RecurrentStack


def _rate(default: float, reason: str) -> Any:
    return setting(default, reason, minimum=0, maximum=0.9)


@dataclasses.dataclass(frozen=True)
class RecurrentConfig(Section):
    """Settings of the recurrent layers of a network.

    Raises:
        UserError: the settings do not fit together.
    """

    cell: str = setting("lstm", "gru is smaller, rnn is for comparison", choices=("rnn", "lstm", "gru"))
    units: int = setting(256, "of each recurrent layer and direction", minimum=1)
    embedding: int = setting(128, "size of a piece's vector", minimum=1)
    dropout: float = _rate(0.3, "on embeddings, between layers and before the output")
    variational_dropout: bool = setting(
        False, "dropout draws one mask for all steps of a text instead of one for each (Gal & Ghahramani 2016)"
    )
    recurrent_dropout: float = _rate(
        0.0, "of the state where the next step reads it, one mask for all steps (Gal & Ghahramani 2016); slower"
    )
    weight_drop: float = _rate(0.0, "of the recurrent weights, drawn anew for each batch (AWD-LSTM, Merity 2017)")
    zoneout: float = _rate(0.0, "part of the state that a step leaves as it is (Krueger 2016); slower")
    zoneout_cell: float = _rate(0.0, "the same for the cell state, which only an lstm has (Krueger 2016); slower")
    layer_norm: bool = setting(False, "normalizes what enters the gates, in every step (Ba 2016); slower")
    weight_norm: bool = setting(
        False, "learns the length and the direction of each weight vector separately (Salimans & Kingma 2016)"
    )

    def __post_init__(self) -> None:
        if self.zoneout_cell and self.cell != "lstm":
            raise UserError(
                f"zoneout_cell is {self.zoneout_cell}, but cell is '{self.cell}', which has no cell state: "
                "set cell to lstm, or zoneout_cell to 0 (zoneout works with every cell)"
            )

    @property
    def regularization(self) -> Regularization:
        """What happens inside of each recurrent layer. Dropout between the layers is not part of it."""
        return Regularization(
            recurrent_dropout=self.recurrent_dropout,
            weight_drop=self.weight_drop,
            zoneout_hidden=self.zoneout,
            zoneout_cell=self.zoneout_cell,
            layer_norm=self.layer_norm,
            weight_norm=self.weight_norm,
        )

    def stack(self, layers: int, *, name: str, bidirectional: bool = False) -> RecurrentStack:
        """Recurrent layers with these settings. Whoever calls drops out the input of the first one."""
        stack = RecurrentStack(
            self.cell,
            self.units,
            layers,
            bidirectional=bidirectional,
            dropout=self.dropout,
            regularization=self.regularization,
            name=name,
        )
        for dropout in stack.dropouts:
            dropout.over_time = self.variational_dropout
        return stack

    def sequence_dropout(self, name: str) -> Dropout:
        """Dropout of [batch, time, features]."""
        return Dropout(self.dropout, over_time=self.variational_dropout, name=name)


class Network(keras.Model):
    """A Keras model that is made from a configuration. Keras saves it with the configuration, and loads it safely.

    Args:
        config: an instance of ``config_type``.
        sizes: what the data decides, by the names of the subclass' arguments: numbers of ids, labels and the like.
        kwargs: of ``keras.Model``.
    """

    config_type: ClassVar[type[RecurrentConfig]]
    encoder: RecurrentStack
    built: bool

    def __init__(self, config: Any, sizes: dict[str, Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.config = config
        self._sizes = sizes

    def create_variables(self) -> None:
        """Makes the variables of all layers, for instance by a call on a few ids."""
        raise NotImplementedError

    def encoder_inputs(self, ids: tf.Tensor) -> tf.Tensor:
        """Returns what ``encoder`` gets of ids [batch, time] in inference: for a network that has one and shows it."""
        raise NotImplementedError

    def build(self, input_shape: Any = None) -> None:
        if not self.built:
            self.built = True
            self.create_variables()

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "settings": dataclasses.asdict(self.config), **self._sizes}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Network:
        """Makes the network that :meth:`get_config` describes, with new weights.

        Raises:
            ValueError: the settings are missing, or have a key that does not exist.
        """
        options = dict(config)
        settings = options.pop("settings", None)
        if not isinstance(settings, dict):
            raise ValueError(f"{cls.__name__} needs the dict 'settings', but was given {', '.join(options)}")
        known = [field.name for field in dataclasses.fields(cls.config_type)]
        if unknown := set(settings) - set(known):
            raise ValueError(
                f"{cls.__name__} has no setting {', '.join(sorted(unknown))}: choose from {', '.join(known)}"
            )
        return cls(cls.config_type(**settings), **options)

    def get_build_config(self) -> dict[str, Any]:
        return {"input_shape": None}  # Keras builds from a config that is not empty

    def build_from_config(self, config: dict[str, Any]) -> None:
        self.build()
