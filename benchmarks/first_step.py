"""How long until a recipe's first step is done, and whether ever more lengths mean ever more tracing.

``python -m benchmarks.first_step RECIPE.toml STARTED`` measures one recipe in a process of its own, which was started
at that time, and prints a line of JSON. The recipe's data need not be at hand: ids of its shapes are drawn, their
lengths spread over all that it allows, and cut into batches as for training.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.race import WorkerError
from benchmarks.report import markdown
from benchmarks.workload import NoTokenizer

_SHAPES = 16  # different ones that are tried after the first
_EXAMPLES = 3000
_STREAM_IDS = 200_000
_CHARACTERS = 260 + 65  # reserved ids, bytes, and what occurs in a text
_SHORTEST = 4
_LABELS = ("negative", "positive")


@dataclass(frozen=True)
class FirstStep:
    """A recipe's seconds and traces.

    Attributes:
        until_step: seconds from the start of the process, imports included, to the end of the first step.
        step: the first step's seconds: tracing, compiling, computing.
        slowest_later: of the steps after it, each on a batch of another shape.
        shapes: different ones that were trained on.
        traces: how often the step was traced for them.
    """

    until_step: float
    step: float
    slowest_later: float
    shapes: int
    traces: int


def measure(recipe: Path, started: float) -> FirstStep:
    """Builds the recipe's model and trains a few steps, every one on a batch of another shape.

    Args:
        started: when the process did, in seconds since the epoch.
    """
    from nlpseq.config import from_toml, named_task
    from nlpseq.tasks import task_class

    kind = task_class(named_task(recipe) or "")

    import tensorflow as tf

    from nlpseq.training.display import LineDisplay
    from nlpseq.training.trainer import Trainer

    task = kind(from_toml(kind.facts.config_type, recipe))
    vocabulary = vocabulary_of(task)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["NLPSEQ_CACHE"] = folder
        trainer = Trainer(task, vocabulary, Path(folder), LineDisplay())
        batches = different_shapes(task, vocabulary, trainer.strategy.num_replicas_in_sync)
    seconds = []
    until_step = 0.0
    for fields in batches:
        begin = time.perf_counter()
        state = task.initial_state(trainer.model, fields[0].shape[0])
        losses, _ = trainer.step(tuple(map(tf.constant, fields)), state, tf.constant(1e-3))
        for total, *_ in losses.values():
            float(total)
        seconds.append(time.perf_counter() - begin)
        until_step = until_step or time.time() - started
    return FirstStep(
        until_step=until_step,
        step=seconds[0],
        slowest_later=max(seconds[1:], default=0.0),
        shapes=len(batches),
        traces=trainer.step.experimental_get_tracing_count(),
    )


def vocabulary_of(task: Any) -> Any:
    """As large as the recipe's; only sizes matter, since ids are drawn."""
    from nlpseq.text.vocabulary import Vocabulary

    settings = task.config.tokenizer
    characters = getattr(settings, "kind", "sentencepiece") == "characters"
    tokenizer: Any = NoTokenizer(_CHARACTERS if characters else settings.vocabulary_size)
    fields = [field for field in task.facts.sequences if field != "label"]
    return Vocabulary(dict.fromkeys(fields, tokenizer), _LABELS if "label" in task.facts.sequences else ())


def different_shapes(task: Any, vocabulary: Any, rows_multiple: int) -> list[tuple[np.ndarray, ...]]:
    """The first batch of each shape in an epoch of drawn ids, of a few shapes."""
    from nlpseq.data.cache import cached_corpus, encoded

    fields = task.facts.sequences
    corpus = cached_corpus(
        ("benchmark",), fields, lambda notes: iter([encoded(drawn_examples(task, vocabulary), len(fields))])
    )
    found: dict[tuple[tuple[int, ...], ...], tuple[np.ndarray, ...]] = {}
    for batch in task.batches(corpus, training=True, rows_multiple=rows_multiple):
        found.setdefault(tuple(field.shape for field in batch.fields), batch.fields)
    return list(found.values())[: 1 + _SHAPES]


def drawn_examples(task: Any, vocabulary: Any) -> Iterator[Sequence[Sequence[int]]]:
    """Ids of each field: texts of all lengths that the recipe allows, or one long text for streams."""
    random = np.random.default_rng(task.config.training.seed)
    sizes = {name: tokenizer.vocabulary_size for name, tokenizer in vocabulary.tokenizers.items()}
    if not hasattr(task.config.data, "max_length"):
        yield [random.integers(_SHORTEST, size, _STREAM_IDS).tolist() for size in sizes.values()]
        return
    longest = task.config.data.max_length
    for length in random.integers(_SHORTEST, longest + 1, _EXAMPLES):
        lengths = np.clip(random.normal(length, length / 8, len(task.facts.sequences)).astype(int), _SHORTEST, longest)
        yield [
            random.integers(_SHORTEST, sizes[field], count).tolist()
            if field in sizes
            else [1 + int(random.integers(len(_LABELS)))]
            for field, count in zip(task.facts.sequences, lengths, strict=True)
        ]


def in_own_process(recipe: Path) -> FirstStep:
    """:func:`measure` with nothing imported yet.

    Raises:
        WorkerError: the process ended without an answer.
    """
    command = [sys.executable, "-m", "benchmarks.first_step", str(recipe.resolve()), str(time.time())]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parent.parent)
    if done.returncode:
        raise WorkerError(f"{recipe}: ended with status {done.returncode}:\n{done.stderr[-4000:].strip()}")
    return FirstStep(**json.loads(done.stdout))


def table(measured: Mapping[str, FirstStep]) -> str:
    """Results of recipes, by their names, as a Markdown table."""
    head = ["recipe", "from start s", "first step s", "slowest later s", "shapes", "traces"]
    lines = [
        [
            name,
            f"{result.until_step:.1f}",
            f"{result.step:.1f}",
            f"{result.slowest_later:.1f}",
            str(result.shapes),
            str(result.traces),
        ]
        for name, result in measured.items()
    ]
    return markdown(head, lines)


if __name__ == "__main__":
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    print(json.dumps(asdict(measure(Path(sys.argv[1]), float(sys.argv[2])))), file=answers)
