"""How many units give cells of different kinds the same number of weights."""

from __future__ import annotations

_SHAPES = {"rnn": (1, 1), "lstm": (4, 1), "gru": (3, 2)}  # blocks of columns, biases of each


def equal_units(lstm_units: int, inputs: int, outputs: int) -> dict[str, int]:
    """Returns for each cell the units that give its network as many weights as the LSTM's has, or nearly.

    Args:
        lstm_units: of the LSTM.
        inputs: width of the layer's input.
        outputs: width of the linear output.
    """

    def weights(cell: str, units: int) -> int:
        blocks, biases = _SHAPES[cell]
        return blocks * units * (inputs + units + biases) + (units + 1) * outputs

    wanted = weights("lstm", lstm_units)
    sizes = range(1, 4 * lstm_units + 1)
    return {cell: min((abs(weights(cell, units) - wanted), units) for units in sizes)[1] for cell in _SHAPES}
