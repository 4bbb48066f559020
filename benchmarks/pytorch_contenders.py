"""Contenders that run in PyTorch: twins of our models, of the same arithmetic, written as PyTorch runs them fastest.

Whole sequences go through ``nn.LSTM`` in one call (oneDNN's fused layer, forward and backward), attention and read-out
are computed for all positions at once, and the Adam step is the fused one.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from benchmarks.workload import (
    ADAM_EPSILON,
    CLIP_NORM,
    GATES,
    LEARNING_RATE,
    CharLM,
    Translation,
    Weights,
    available_cores,
    initial_weights,
)

Step = Callable[[int], float]

_BOS = 2  # nlpseq.text.tokenizers.BOS, which shifted targets start with
_MASKED = -1e9


def recurrent(cell: str, inputs: int, units: int) -> nn.Module:
    """One layer with as many weights as Keras': an LSTM's second bias stays zero and is not trained."""
    layer = {"lstm": nn.LSTM, "gru": nn.GRU}[cell](inputs, units, batch_first=True)
    if cell == "lstm":
        nn.init.zeros_(layer.bias_hh_l0)
        layer.bias_hh_l0.requires_grad_(False)
    return layer


class CharacterModel(nn.Module):
    """The twin of :class:`nlpseq.networks.language_model.LanguageModel`."""

    def __init__(self, workload: CharLM) -> None:
        super().__init__()
        self.embedding = nn.Embedding(workload.vocabulary, workload.embedding)
        inputs = [workload.embedding, *[workload.units] * (workload.layers - 1)]
        self.layers = nn.ModuleList(recurrent(workload.cell, width, workload.units) for width in inputs)
        self.output = nn.Linear(workload.units, workload.vocabulary)

    def forward(self, ids: torch.Tensor, states: list) -> tuple[torch.Tensor, list]:
        """Logits [batch, time, vocabulary] and the layers' last states."""
        hidden, last = self.embedding(ids), []
        for layer, state in zip(self.layers, states, strict=True):
            hidden, state = layer(hidden, state)
            last.append(state)
        return self.output(hidden), last

    def load(self, weights: Weights) -> None:
        _set(self.embedding.weight, weights, "embedding/embeddings")
        for index, layer in enumerate(self.layers):
            _load_recurrent(layer, weights, f"encoder/layer_{index}")
        _load_linear(self.output, weights, "output")


class TranslationModel(nn.Module):
    """The twin of :class:`nlpseq.networks.encoder_decoder.EncoderDecoder` with the recipe's arrangement.

    Each direction of the encoder is a layer of its own, the backward one fed with every row reversed within its own
    length: packed sequences would leave oneDNN's layer for one that runs step by step.
    """

    def __init__(self, workload: Translation) -> None:
        super().__init__()
        units, embedding = workload.units, workload.embedding
        self.label_smoothing, self.units = workload.label_smoothing, units
        self.vectors = nn.Embedding(workload.vocabulary, embedding)
        self.ahead = recurrent("lstm", embedding, units)
        self.back = recurrent("lstm", embedding, units)
        self.bridge = nn.Linear(2 * units, 4 * units)
        self.keys = nn.Linear(2 * units, units, bias=False)
        self.first = recurrent("lstm", embedding, units)
        self.rest = recurrent("lstm", 3 * units, units)
        self.readout = nn.Linear(4 * units, embedding)
        self.output_bias = nn.Parameter(torch.zeros(workload.vocabulary))
        self.dropout = nn.Dropout(workload.dropout)

    def forward(self, source: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """The mean loss of the real target positions."""
        mask = source != 0
        lengths = mask.sum(1)
        memory, (h_first, c_first, h_rest, c_rest) = self._encode(source, lengths)
        memory = self.dropout(memory)

        previous = functional.pad(target[:, :-1], (1, 0), value=_BOS)
        asking, _ = self.first(self.dropout(self.vectors(previous)), (h_first[None], c_first[None]))
        scores = asking @ self.keys(memory).transpose(1, 2)  # [batch, target, source]
        context = scores.masked_fill(~mask[:, None], _MASKED).softmax(-1).to(memory.dtype) @ memory
        asking = self.dropout(asking)
        upper, _ = self.rest(torch.cat([asking, context], -1), (h_rest[None], c_rest[None]))
        real = target != 0  # logits of padding would cost as much as those of words
        parts = torch.cat([asking, context, self.dropout(upper)], -1)[real]
        readout = self.dropout(torch.tanh(self.readout(parts)))
        logits = functional.linear(readout, self.vectors.weight, self.output_bias)
        return functional.cross_entropy(logits.float(), target[real], label_smoothing=self.label_smoothing)

    def _encode(self, source: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, tuple[torch.Tensor, ...]]:
        """Outputs [batch, source, 2 x units], and the decoder's first states, each [batch, units]."""
        embedded = self.dropout(self.vectors(source))
        ahead, _ = self.ahead(embedded)
        order = _reversal(source.shape[1], lengths)
        back, _ = self.back(_rows(embedded, order))
        outputs = torch.cat([ahead, _rows(back, order)], -1)
        last = outputs[torch.arange(len(source)), lengths - 1, : self.units]
        summary = torch.cat([last, outputs[:, 0, self.units :]], -1)
        return outputs, torch.tanh(self.bridge(summary)).float().split(self.units, -1)

    def load(self, weights: Weights) -> None:
        _set(self.vectors.weight, weights, "target_embedding/embeddings")
        _load_recurrent(self.ahead, weights, "encoder/layer_0/forward")
        _load_recurrent(self.back, weights, "encoder/layer_0/backward")
        _load_recurrent(self.first, weights, "decoder_first/layer_0")
        _load_recurrent(self.rest, weights, "decoder_rest/layer_0")
        _load_linear(self.bridge, weights, "bridge")
        _load_linear(self.keys, weights, "keys")
        _load_linear(self.readout, weights, "readout")
        _set(self.output_bias, weights, "output_bias")


def _reversal(time: int, lengths: torch.Tensor) -> torch.Tensor:
    """int64 [batch, time]: where each position's mirror image within its row's length stands; padding stays."""
    positions = torch.arange(time)[None]
    return torch.where(positions < lengths[:, None], lengths[:, None] - 1 - positions, positions)


def _rows(sequence: torch.Tensor, order: torch.Tensor) -> torch.Tensor:
    return sequence.gather(1, order[:, :, None].expand(-1, -1, sequence.shape[2]))


def _set(parameter: torch.Tensor, weights: Weights, path: str, *, transposed: bool = False) -> None:
    shape = tuple(parameter.shape)
    value = weights(path, shape[::-1] if transposed else shape)
    with torch.no_grad():
        parameter.copy_(torch.from_numpy(np.array(value.T if transposed else value)))


def _load_linear(layer: nn.Linear, weights: Weights, path: str) -> None:
    _set(layer.weight, weights, f"{path}/kernel", transposed=True)
    if layer.bias is not None:
        _set(layer.bias, weights, f"{path}/bias")


def _load_recurrent(layer: nn.Module, weights: Weights, path: str) -> None:
    """Keras' gates are i, f, g, o, as PyTorch's, and z, r, g, of which PyTorch has r first."""
    gru = isinstance(layer, nn.GRU)

    def in_order(path: str, shape: tuple[int, ...]) -> np.ndarray:
        gates = np.split(weights(path, shape), GATES["gru" if gru else "lstm"], axis=-1)
        return np.concatenate([gates[1], gates[0], gates[2]] if gru else gates, axis=-1)

    _set(layer.weight_ih_l0, in_order, f"{path}/kernel", transposed=True)
    _set(layer.weight_hh_l0, in_order, f"{path}/recurrent_kernel", transposed=True)
    if gru:
        both = in_order(f"{path}/bias", (2, len(layer.bias_ih_l0)))
        _set(layer.bias_ih_l0, lambda *_: both[0], path)
        _set(layer.bias_hh_l0, lambda *_: both[1], path)
    else:
        _set(layer.bias_ih_l0, in_order, f"{path}/bias")


def twin(workload: CharLM | Translation, weights: Weights) -> CharacterModel | TranslationModel:
    """The workload's model, with these weights."""
    model = CharacterModel(workload) if isinstance(workload, CharLM) else TranslationModel(workload)
    model.load(weights)
    return model


def trained(model: nn.Module) -> list[nn.Parameter]:
    """The parameters that are."""
    return [parameter for parameter in model.parameters() if parameter.requires_grad]


def loss_function(model: nn.Module, workload: CharLM | Translation) -> Callable[[int], torch.Tensor]:
    """From a step's number to its mean loss; streams go on from call to call."""
    states: list = []
    if isinstance(workload, CharLM):
        zeros = torch.zeros(1, workload.batch, workload.units)
        states = [(zeros, zeros) if workload.cell == "lstm" else zeros] * workload.layers

    def loss_of(step: int) -> torch.Tensor:
        nonlocal states
        fields = [torch.from_numpy(field).long() for field in workload.fields(step)]
        if isinstance(workload, Translation):
            return model(*fields)
        (ids,) = fields
        logits, after = model(ids[:, :-1], states)
        states = [_carried(state) for state in after]
        return functional.cross_entropy(logits.flatten(0, 1).float(), ids[:, 1:].flatten())

    return loss_of


def _carried(state: torch.Tensor | tuple[torch.Tensor, ...]) -> torch.Tensor | tuple[torch.Tensor, ...]:
    """No gradient goes back over it; when computing in 16 bits too, it keeps its 32."""
    return tuple(map(_carried, state)) if isinstance(state, tuple) else state.detach().float()


def pytorch(workload: CharLM | Translation) -> Step:
    """The twin, each operation on all cores."""
    torch.set_num_threads(available_cores())
    torch.manual_seed(workload.seed)
    model = twin(workload, initial_weights(workload.seed))
    loss_of, parameters = loss_function(model, workload), trained(model)
    optimizer = torch.optim.Adam(parameters, lr=LEARNING_RATE, eps=ADAM_EPSILON, fused=True)

    def step(number: int) -> float:
        optimizer.zero_grad(set_to_none=True)
        with _precision(workload.precision):
            loss = loss_of(number)
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, CLIP_NORM)
        # Keras adds epsilon before the second moment's bias is corrected.
        (group,) = optimizer.param_groups
        group["eps"] = ADAM_EPSILON / (1 - group["betas"][1] ** (number + 1)) ** 0.5
        optimizer.step()
        return float(loss.detach())

    return step


def _precision(name: str) -> AbstractContextManager:
    return torch.autocast("cpu", dtype=torch.bfloat16, enabled=name == "bfloat16")
