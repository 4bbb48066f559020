"""Twins of our models in PyTorch for using them: the same weights, text in and text out, as PyTorch runs them fastest.

Loops over steps are scripted; ``int8`` is ``torch.ao.quantization.quantize_dynamic``, a scale for each row. Where
``nn.LSTM`` and a loop over cells could both serve, both are built and timed, and the faster one stays. Not used:
``torch.compile``, whose loops would be unrolled or broken up, and batches of texts: a call is one text.
"""

from __future__ import annotations

import io
import json
import re
import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from benchmarks.pytorch_contenders import Weights
from benchmarks.pytorch_recurrent import (
    LibraryStack,
    LoopStack,
    Stack,
    StepLSTM,
    copy_into,
    gate_kernel,
    load_linear,
    load_step,
    lstm_step,
    reordered,
)
from nlpseq.text.tokenizers import EOS, Characters, SentencePiece, Tokenizer

FLOAT32, INT8 = "pytorch-float32", "pytorch-int8"

_MARKUP = re.compile(r"<br ?/?>", re.IGNORECASE)
_TRIALS = 5


class CharacterNetwork(nn.Module):
    """The twin of :class:`nlpseq.networks.language_model.LanguageModel`."""

    def __init__(self, settings: dict[str, Any], stack: Stack) -> None:
        super().__init__()
        units, vocabulary, depth = settings["units"], settings["vocabulary"], settings["layers"]
        self.units, self.depth = units, depth
        # The first layer's product with a character's vector is the same each time: a table of them.
        self.table = nn.Embedding(vocabulary, 4 * units)
        self.first = nn.Linear(units, 4 * units, bias=False)
        self.above = nn.ModuleList(StepLSTM(units, units) for _ in range(depth - 1))
        self.embedding = nn.Embedding(vocabulary, settings["embedding"])
        self.stack = stack(settings["embedding"], units, depth, False)
        self.output = nn.Linear(units, vocabulary)

    def load(self, weights: Weights) -> None:
        copy_into(self.embedding.weight, weights("embedding/embeddings", tuple(self.embedding.weight.shape)))
        self.stack.load(weights, "encoder")
        kernel = weights("encoder/layer_0/kernel", (self.embedding.weight.shape[1], 4 * self.units))
        projected = self.embedding.weight.detach().numpy() @ kernel + weights("encoder/layer_0/bias", (4 * self.units,))
        copy_into(self.table.weight, reordered(projected))
        load_linear(self.first, gate_kernel(weights, "encoder/layer_0/recurrent_kernel", self.first))
        for index, layer in enumerate(self.above, start=1):
            load_step(layer, weights, f"encoder/layer_{index}")
        load_linear(
            self.output, weights("output/kernel", (self.units, self.output.out_features)), weights, "output/bias"
        )

    def step(self, last: torch.Tensor, states: list[torch.Tensor]) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Logits [1, vocabulary] after an id [1]; h and c of each layer in turn."""
        h, c = lstm_step(self.table(last) + self.first(states[0]), states[1])
        after = [h, c]
        for index, layer in enumerate(self.above):
            h, c = layer(h, states[2 * index + 2], states[2 * index + 3])
            after += [h, c]
        return self.output(h), after

    @torch.jit.export
    def write(self, prompt: torch.Tensor, length: int, temperature: float, top_k: int, top_p: float) -> torch.Tensor:
        """Draws ids after a prompt [time]; only they are returned."""
        states = [torch.zeros([1, self.units]) for _ in range(2 * self.depth)]
        logits = torch.zeros([1, 1])
        for index in range(prompt.shape[0]):
            logits, states = self.step(prompt[index : index + 1], states)
        drawn: list[torch.Tensor] = []
        for index in range(length):
            logits[:, :3] = -1e9
            if top_k > 0 or top_p < 1:
                ordered, ids = torch.topk(logits / temperature, top_k if top_k > 0 else logits.shape[1])
                probabilities = torch.exp(ordered - torch.logsumexp(logits / temperature, -1, keepdim=True))
                kept = torch.cumsum(probabilities, -1) - probabilities < top_p
                kept[:, 0] = True
                last = ids[0].index_select(0, torch.multinomial(probabilities * kept, 1)[0])
            else:
                last = torch.multinomial(torch.softmax(logits / temperature, -1), 1)[0]
            drawn.append(last)
            if index + 1 < length:
                logits, states = self.step(last, states)
        return torch.cat(drawn)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Logits [time, vocabulary] after each of the ids [time]."""
        return self.output(self.stack(self.embedding(ids)))

    @torch.jit.export
    def by_steps(self, ids: torch.Tensor) -> torch.Tensor:
        """The same, one step after the other."""
        states = [torch.zeros([1, self.units]) for _ in range(2 * self.depth)]
        found: list[torch.Tensor] = []
        for index in range(ids.shape[0]):
            logits, states = self.step(ids[index : index + 1], states)
            found.append(logits)
        return torch.cat(found)


class ClassifierNetwork(nn.Module):
    """The twin of :class:`nlpseq.networks.recurrent_classifier.RecurrentClassifier` that pools by maximum and mean."""

    def __init__(self, settings: dict[str, Any], stack: Stack) -> None:
        super().__init__()
        width = settings["units"] * (1 + settings["bidirectional"])
        self.embedding = nn.Embedding(settings["vocabulary"], settings["embedding"])
        self.stack = stack(settings["embedding"], settings["units"], settings["layers"], settings["bidirectional"])
        self.classes = nn.Linear(2 * width, settings["classes"])

    def load(self, weights: Weights) -> None:
        copy_into(self.embedding.weight, weights("embedding/embeddings", tuple(self.embedding.weight.shape)))
        self.stack.load(weights, "encoder")
        shape = (self.classes.in_features, self.classes.out_features)
        load_linear(self.classes, weights("classes/kernel", shape), weights, "classes/bias")

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Logits [classes] of ids [time]."""
        states = self.stack(self.embedding(ids))
        return self.classes(torch.cat([states.amax(0), states.mean(0)])[None])[0]


class TranslationNetwork(nn.Module):
    """The twin of :class:`nlpseq.networks.encoder_decoder.EncoderDecoder` with multiplicative attention."""

    def __init__(self, settings: dict[str, Any], stack: Stack) -> None:
        super().__init__()
        units, embedding, layers = settings["units"], settings["embedding"], settings["decoder_layers"]
        width = units * (1 + settings["bidirectional"])
        self.units, self.both, self.vocabulary = units, settings["bidirectional"], settings["target_vocabulary"]
        self.shared = settings["shared_vocabulary"] and settings["tie_embeddings"]
        self.tied = settings["tie_embeddings"]
        self.source = nn.Embedding(settings["source_vocabulary"], embedding)
        self.target = self.source if self.shared else nn.Embedding(self.vocabulary, embedding)
        self.stack = stack(embedding, units, settings["encoder_layers"], self.both)
        self.bridge = nn.Linear(width, 2 * layers * units)
        self.keys = nn.Linear(width, units, bias=False)
        self.first = StepLSTM(embedding, units)
        widths = [units + width] + [units] * (layers - 2) if layers > 1 else []
        self.rest = nn.ModuleList(StepLSTM(inputs, units) for inputs in widths)
        self.readout = nn.Linear(units + width + units * (layers > 1), embedding)
        self.output = nn.Linear(embedding, self.vocabulary)

    def load(self, weights: Weights) -> None:
        vectors = weights("target_embedding/embeddings", tuple(self.target.weight.shape))
        copy_into(self.target.weight, vectors)
        if not self.shared:
            copy_into(self.source.weight, weights("source_embedding/embeddings", tuple(self.source.weight.shape)))
        self.stack.load(weights, "encoder")
        for layer, name, bias in (
            (self.bridge, "bridge", True),
            (self.keys, "keys", False),
            (self.readout, "readout", True),
        ):
            kernel = weights(f"{name}/kernel", (layer.in_features, layer.out_features))
            load_linear(layer, kernel, weights if bias else None, f"{name}/bias")
        load_step(self.first, weights, "decoder_first/layer_0")
        for index, step in enumerate(self.rest):
            load_step(step, weights, f"decoder_rest/layer_{index}")
        shape = (self.output.in_features, self.vocabulary)
        load_linear(self.output, vectors.T if self.tied else weights("output/kernel", shape), weights, "output_bias")

    def encode(self, source: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, list[torch.Tensor]]:
        """From ids [time]: the memory and its keys, each [time, n], and the decoder's first states, each [1, units]."""
        memory = self.stack(self.source(source))
        summary = memory[-1:]
        if self.both:
            summary = torch.cat([memory[-1:, : self.units], memory[:1, self.units :]], -1)
        states = torch.tanh(self.bridge(summary)).split(self.units, -1)
        return memory, self.keys(memory), list(states)

    def step(
        self, last: torch.Tensor, states: list[torch.Tensor], memory: torch.Tensor, keys: torch.Tensor
    ) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Logits [rows, vocabulary] after ids [rows]."""
        asking, c = self.first(self.target(last), states[0], states[1])
        after = [asking, c]
        context = torch.softmax(asking @ keys.t(), -1) @ memory
        upper = torch.cat([asking, context], -1)
        parts = [upper]
        for index, layer in enumerate(self.rest):
            upper, c = layer(upper, states[2 * index + 2], states[2 * index + 3])
            after += [upper, c]
        if len(self.rest) > 0:
            parts.append(upper)
        return self.output(torch.tanh(self.readout(torch.cat(parts, -1)))), after

    @torch.jit.export
    def greedy(self, source: torch.Tensor) -> list[int]:
        """The most probable id at each step, until the end mark."""
        memory, keys, states = self.encode(source)
        last = torch.full([1], 2, dtype=torch.long)
        found: list[int] = []
        for _ in range(2 * source.shape[0] + 10):
            logits, states = self.step(last, states, memory, keys)
            logits[:, :3] = -1e9
            last = logits.argmax(-1)
            chosen = int(last.item())
            found.append(chosen)
            if chosen == 3:
                break
        return found

    @torch.jit.export
    def beam(self, source: torch.Tensor, width: int) -> list[int]:
        """:func:`nlpseq.decoding.beam_search`, all beams in one batch."""
        longest = 2 * source.shape[0] + 10
        memory, keys, states = self.encode(source)
        states = [state.expand(width, -1) for state in states]
        last = torch.full([width], 2, dtype=torch.long)
        alive = torch.full([width], -1e9)
        alive[0] = 0.0
        ids = torch.zeros([width, longest], dtype=torch.long)
        finished, finished_scores = ids, torch.full([width], -1e9)
        for index in range(longest):
            logits, states = self.step(last, states, memory, keys)
            chances = torch.log_softmax(logits, -1)
            chances[:, :3] = -1e9
            scores, flat = (alive[:, None] + chances).view(-1).topk(2 * width)
            origin = torch.div(flat, self.vocabulary, rounding_mode="floor")
            token = flat - origin * self.vocabulary
            ids = ids.index_select(0, origin)
            ids[:, index] = token
            ends = token == 3
            pool = torch.cat([finished_scores, torch.where(ends, scores / ((6.0 + index) / 6.0), -1e9)])
            finished_scores, best = pool.topk(width)
            finished = torch.cat([finished, ids]).index_select(0, best)
            alive, best = torch.where(ends, -1e9, scores).topk(width)
            ids = ids.index_select(0, best)
            last = ids[:, index]
            origin = origin.index_select(0, best)
            states = [state.index_select(0, origin) for state in states]
            if float(alive[0]) / ((5.0 + longest) / 6.0) <= float(finished_scores[-1]):
                break
        found = finished[0] if float(finished_scores[0]) > -5e8 else ids[0]
        result: list[int] = found.tolist()
        return result

    def forward(self, source: torch.Tensor, previous: torch.Tensor) -> torch.Tensor:
        """Logits [time, vocabulary] for given previous ids [time]."""
        memory, keys, states = self.encode(source)
        found: list[torch.Tensor] = []
        for index in range(previous.shape[0]):
            logits, states = self.step(previous[index : index + 1], states, memory, keys)
            found.append(logits)
        return torch.cat(found)


NETWORKS = {"char-lm": CharacterNetwork, "sentiment": ClassifierNetwork, "translation": TranslationNetwork}


class Twin:
    """A network with its tokenizers; answers as :class:`benchmarks.latency_worker.Answerer`.

    Args:
        network: as it is run.
        readers: tokenizers by the name of what they read.
        facts: as :func:`benchmarks.twins.parts` gives them.
    """

    def __init__(self, network: Any, readers: dict[str, Tokenizer], facts: dict[str, Any]) -> None:
        self._network, self._readers = network, readers
        self._limit, self._beam, self._labels = facts["limit"], facts["beam"], facts["labels"]
        self.facts: dict[str, Any] = {}

    @torch.inference_mode()
    def answer(self, do: str, text: str, **options: Any) -> str:
        return getattr(self, f"_{do}")(text, **options)

    def _translate(self, text: str, greedy: bool) -> str:
        ids = torch.tensor([*self._readers["source"].encode(text), EOS])
        found = self._network.greedy(ids) if greedy else self._network.beam(ids, self._beam)
        return self._readers["target"].decode([index for index in found if index > EOS])

    def _classify(self, text: str) -> str:
        ids = self._readers["text"].encode(_MARKUP.sub(" ", text))
        head = self._limit // 4
        ids = ids if len(ids) <= self._limit else ids[:head] + ids[head - self._limit :]
        probabilities = torch.softmax(self._network(torch.tensor(ids)), -1).tolist()
        return self._labels[max(range(len(probabilities)), key=probabilities.__getitem__)]

    def _generate(self, text: str, length: int, temperature: float, top_k: int = 0, top_p: float = 1.0) -> str:
        reader = self._readers["text"]
        prompt = torch.tensor(reader.encode(text or "\n"))
        drawn = self._network.write(prompt, length, temperature, top_k, top_p)
        self.written = text + reader.decode(drawn.tolist())
        return ""

    def _score(self, text: str) -> str:
        ids = torch.tensor(self._readers["text"].encode("\n" + text))
        logits = self._network(ids[:-1])
        nats = functional.cross_entropy(logits, ids[1:], reduction="sum")
        return f"{float(nats) / len(text):.2f}"


def load(path: str, kind: str) -> Twin:
    """The twin that :func:`benchmarks.twins.write` has written the parts of.

    Args:
        kind: FLOAT32 or INT8.

    Raises:
        ValueError: in 32 bits, its logits are not those of the Keras model.
    """
    warnings.filterwarnings("ignore", category=(DeprecationWarning))
    warnings.filterwarnings("ignore", category=UserWarning)
    torch.set_num_threads(1)
    with np.load(path) as content:
        parts = {name: content[name] for name in content.files}
    facts = json.loads(parts["facts"].tobytes())

    def weights(name: str, shape: tuple[int, ...]) -> np.ndarray:
        value = parts[f"weight {name}"]
        if value.shape != shape:
            raise ValueError(f"{name} is {value.shape}, not {shape}")
        return value

    inputs = [torch.from_numpy(parts[f"input {index}"]).long() for index in range(facts["inputs"])]
    expected = parts["logits"]
    network, stack = fastest(NETWORKS[facts["task"]], facts["settings"], weights, kind, inputs)
    with torch.inference_mode():
        apart = float(np.abs(network(*inputs).numpy() - expected).max())
    if kind == FLOAT32 and apart > 1e-3:
        raise ValueError(f"logits differ from those of the Keras model by {apart:.2g}")
    readers = {name: _tokenizer(parts[f"tokenizer {file}"].tobytes()) for name, file in facts["tokenizers"].items()}
    twin = Twin(network, readers, facts)
    content = io.BytesIO()
    torch.jit.save(network, content)
    files = len(content.getvalue()) + sum(
        parts[f"tokenizer {file}"].nbytes for file in set(facts["tokenizers"].values())
    )
    note = f"{kind}: sequences by {stack}; logits differ from those of the Keras model by at most {apart:.1g}."
    twin.facts = {"file_bytes": files, "note": note}
    return twin


def fastest(
    network: type[nn.Module], settings: dict[str, Any], weights: Weights, kind: str, inputs: Sequence[torch.Tensor]
) -> tuple[Any, str]:
    """The network over sequences by nn.LSTM or by a loop, whatever takes less time for these inputs; and its name."""
    found = {}
    for name, stack in (("nn.LSTM", LibraryStack), ("a scripted loop", LoopStack)):
        built = ready(network(settings, stack), weights, kind)
        found[name] = _seconds(lambda built=built: built(*inputs)), built
    best = min(found, key=lambda name: found[name][0])
    return found[best][1], best


def ready(network: nn.Module, weights: Weights, kind: str) -> Any:
    """The network with its weights, quantized, scripted and frozen."""
    network.load(weights)
    network.eval()
    exported = [name for name in ("write", "by_steps", "greedy", "beam") if hasattr(network, name)]
    if kind == FLOAT32:
        return torch.jit.optimize_for_inference(torch.jit.script(network), other_methods=exported)
    quantization = torch.ao.quantization
    layers = {nn.Linear: quantization.per_channel_dynamic_qconfig, nn.LSTM: quantization.default_dynamic_qconfig}
    network = quantization.quantize_dynamic(network, layers, dtype=torch.qint8)
    return torch.jit.freeze(torch.jit.script(network), preserved_attrs=exported)


@torch.inference_mode()
def _seconds(run: Callable[[], Any]) -> float:
    """Of the processor, the best of a few."""
    for _ in range(_TRIALS):  # the first calls also optimize the script
        run()
    best = float("inf")
    for _ in range(_TRIALS):
        begun = time.process_time()
        run()
        best = min(best, time.process_time() - begun)
    return best


def _tokenizer(content: bytes) -> Tokenizer:
    """From what a tokenizer's ``to_bytes`` gives."""
    if content[:1] == b"{":
        return Characters(json.loads(content)["characters"])
    return SentencePiece(content)
