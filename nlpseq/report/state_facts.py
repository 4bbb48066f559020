"""What a recurrent layer did while it read a text, and what its units follow."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Followed:
    """A unit and the landmark of the text that it follows most closely.

    Attributes:
        unit: from 0.
        landmark: such as "inside quotes".
        correlation: of the unit's state with it, from -1 to 1.
    """

    unit: int
    landmark: str
    correlation: float


@dataclass(frozen=True)
class LayerStates:
    """Gates and states of a layer.

    Attributes:
        name: such as "layer 1" or "layer 2, backward".
        cell: "rnn", "lstm" or "gru".
        values: by name, such as "state", "cell state" and "forget gate": float [time, units].
        followed: by landmark, the units that follow it most closely, the best first.
    """

    name: str
    cell: str
    values: dict[str, np.ndarray]
    followed: dict[str, list[Followed]]

    @property
    def memory(self) -> np.ndarray:
        """What the layer remembers, from -1 to 1: tanh of an LSTM's cell state, otherwise the state."""
        return np.tanh(self.values["cell state"]) if "cell state" in self.values else self.values["state"]

    @property
    def gates(self) -> dict[str, np.ndarray]:
        """The gates proper, from 0 to 1."""
        return {name: values for name, values in self.values.items() if name.endswith("gate")}


@dataclass(frozen=True)
class Reading:
    """A model that has read a text.

    Attributes:
        model: its name.
        pieces: of the text.
        layers: of the encoder.
        measured_on: number of pieces that correlations were measured on.
    """

    model: str
    pieces: tuple[str, ...]
    layers: list[LayerStates]
    measured_on: int


def followed(memory: np.ndarray, landmarks: dict[str, list[float]]) -> dict[str, list[Followed]]:
    """Sorts the units by how closely their states follow each landmark (as in Karpathy et al. 2015).

    Args:
        memory: float [time, units].
        landmarks: a number at each piece, by name. One that never changes is left out.

    Returns:
        By landmark all units, the highest correlation first, whatever its sign.
    """
    states, found = _standardized(memory.astype(np.float64)), {}
    for name, marks in landmarks.items():
        if len(set(marks)) > 1:
            correlations = states.T @ _standardized(np.array(marks)) / len(memory)
            order = np.argsort(-np.abs(correlations), kind="stable")
            found[name] = [Followed(int(unit), name, float(correlations[unit])) for unit in order]
    return found


def by_chance(pieces: int, units: int) -> float:
    """The correlation with a landmark that the best of so many units reaches by chance, roughly.

    States change slowly, so that neighboring pieces count as one observation: a tenth of the pieces are independent.
    """
    independent = max(pieces / 10, 2)
    return min(1.0, math.sqrt(2 * math.log(max(units, 2)) / independent))


def _standardized(values: np.ndarray) -> np.ndarray:
    deviations = values.std(axis=0)
    return (values - values.mean(axis=0)) / np.where(deviations > 0, deviations, np.inf)
