"""LSTMs in PyTorch for using a model: steps, scripted loops over them, and the library's own."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from benchmarks.pytorch_contenders import Weights


def lstm_step(before: torch.Tensor, cell: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """From [rows, 4 x units], before the activations, in the order i, f, o, g: the states h and c."""
    units = cell.shape[-1]
    new = torch.tanh(before[:, 3 * units :])
    gates = torch.sigmoid(before[:, : 3 * units])
    cell = torch.addcmul(gates[:, units : 2 * units] * cell, gates[:, :units], new)
    return gates[:, 2 * units :] * torch.tanh(cell), cell


class StepLSTM(nn.Module):
    """A layer for one step: rows of inputs and states."""

    def __init__(self, inputs: int, units: int) -> None:
        super().__init__()
        self.gates = nn.Linear(inputs + units, 4 * units)

    def forward(self, x: torch.Tensor, h: torch.Tensor, c: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return lstm_step(self.gates(torch.cat([x, h], -1)), c)


class LoopLSTM(nn.Module):
    """A layer over a sequence [time, inputs], in one direction: the inputs are projected all at once."""

    def __init__(self, inputs: int, units: int, backward: bool) -> None:
        super().__init__()
        self.units, self.backward = units, backward
        self.inputs = nn.Linear(inputs, 4 * units)
        self.states = nn.Linear(units, 4 * units, bias=False)

    def forward(self, sequence: torch.Tensor) -> torch.Tensor:
        projected = self.inputs(sequence)
        h = torch.zeros([1, self.units])
        c = torch.zeros([1, self.units])
        outputs: list[torch.Tensor] = []
        time = projected.shape[0]
        for step in range(time):
            at = time - 1 - step if self.backward else step
            h, c = lstm_step(projected[at : at + 1] + self.states(h), c)
            outputs.append(h)
        found = torch.cat(outputs)
        return found.flip(0) if self.backward else found


class BothWays(nn.Module):
    """A layer in each direction."""

    def __init__(self, inputs: int, units: int) -> None:
        super().__init__()
        self.ahead, self.back = LoopLSTM(inputs, units, False), LoopLSTM(inputs, units, True)

    def forward(self, sequence: torch.Tensor) -> torch.Tensor:
        return torch.cat([self.ahead(sequence), self.back(sequence)], -1)


class LoopStack(nn.Module):
    """Layers over a sequence [time, inputs]: [time, units], or 2 x units where they read both ways."""

    def __init__(self, inputs: int, units: int, depth: int, both: bool) -> None:
        super().__init__()
        widths = [inputs] + [units * (1 + both)] * (depth - 1)
        self.layers = nn.Sequential(*(BothWays(n, units) if both else LoopLSTM(n, units, False) for n in widths))

    def forward(self, sequence: torch.Tensor) -> torch.Tensor:
        return self.layers(sequence)

    def load(self, weights: Weights, path: str) -> None:
        for index, layer in enumerate(self.layers):
            own = f"{path}/layer_{index}"
            if isinstance(layer, BothWays):
                _load_loop(layer.ahead, weights, f"{own}/forward")
                _load_loop(layer.back, weights, f"{own}/backward")
            else:
                _load_loop(layer, weights, own)


class LibraryStack(nn.Module):
    """:class:`LoopStack` by ``nn.LSTM``: oneDNN's layer in 32 bits, a kernel of its own in 8."""

    def __init__(self, inputs: int, units: int, depth: int, both: bool) -> None:
        super().__init__()
        self.lstm = nn.LSTM(inputs, units, depth, bidirectional=both)

    def forward(self, sequence: torch.Tensor) -> torch.Tensor:
        return self.lstm(sequence[:, None])[0][:, 0]

    def load(self, weights: Weights, path: str) -> None:
        directions = (("forward", ""), ("backward", "_reverse")) if self.lstm.bidirectional else (("", ""),)
        with torch.no_grad():
            for layer in range(self.lstm.num_layers):
                for name, suffix in directions:
                    own = f"{path}/layer_{layer}/{name}".rstrip("/")
                    for kernel, key in (("kernel", "ih"), ("recurrent_kernel", "hh")):
                        parameter = getattr(self.lstm, f"weight_{key}_l{layer}{suffix}")
                        parameter.copy_(torch.from_numpy(weights(f"{own}/{kernel}", tuple(parameter.shape[::-1])).T))
                    bias = getattr(self.lstm, f"bias_ih_l{layer}{suffix}")
                    bias.copy_(torch.from_numpy(weights(f"{own}/bias", tuple(bias.shape))))
                    getattr(self.lstm, f"bias_hh_l{layer}{suffix}").zero_()


Stack = type[LoopStack] | type[LibraryStack]


def reordered(gates: np.ndarray) -> np.ndarray:
    """Keras' i, f, g, o as i, f, o, g: sigmoids side by side."""
    i, f, g, o = np.split(gates, 4, axis=-1)
    return np.concatenate([i, f, o, g], axis=-1)


def gate_kernel(weights: Weights, path: str, layer: nn.Linear) -> np.ndarray:
    return reordered(weights(path, (layer.in_features, layer.out_features)))


def copy_into(parameter: torch.Tensor, value: np.ndarray) -> None:
    with torch.no_grad():
        parameter.copy_(torch.from_numpy(np.array(value)))


def _load_loop(layer: LoopLSTM, weights: Weights, path: str) -> None:
    load_linear(layer.inputs, gate_kernel(weights, f"{path}/kernel", layer.inputs), weights, f"{path}/bias", gates=True)
    load_linear(layer.states, gate_kernel(weights, f"{path}/recurrent_kernel", layer.states))


def load_step(layer: StepLSTM, weights: Weights, path: str) -> None:
    units = layer.gates.out_features // 4
    shapes = {"kernel": layer.gates.in_features - units, "recurrent_kernel": units}
    parts = [reordered(weights(f"{path}/{name}", (rows, 4 * units))) for name, rows in shapes.items()]
    load_linear(layer.gates, np.concatenate(parts), weights, f"{path}/bias", gates=True)


def load_linear(
    layer: nn.Linear, kernel: np.ndarray, weights: Weights | None = None, bias: str = "", *, gates: bool = False
) -> None:
    copy_into(layer.weight, kernel.T)
    if weights is not None:
        value = weights(bias, (layer.out_features,))
        copy_into(layer.bias, reordered(value) if gates else value)
