"""The model card: what a model is, how good it is, what it must not be used for, and how to make it again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeGuard

from nlpseq.metrics import CONFUSION, SIGNATURE, Metric, find_metric
from nlpseq.report.markdown import bullets, code, inline, picture, table

_FILE_KINDS = {"none": "file of 32-bit weights", "float16": "file of 16-bit weights", "int8": "file of 8-bit weights"}
_PART_WORDS = {"train": "training", "valid": "validation", "test": "test"}
_NOT_STATED = "not stated"
_MOST_TOP_METRICS = 2
_MOST_CONFUSION_LABELS = 10
_MOST_CONFUSED_PAIRS = 10
_LONGEST_EXAMPLE = 400  # characters


@dataclass(frozen=True, kw_only=True)
class CardFacts:
    """All that a model card says. What is empty is not said.

    Attributes:
        name: of the model, such as "en-fr".
        purpose: a sentence that says what the model does.
        version: of nlpseq.
        created: ISO date.
        data: what the model was made from, in words: row (train, valid, test, source, licence, ...) -> value.
        is_sample: whether it was trained on the bundled sample.
        metrics: part of the data -> what was measured on it, by the keys of the metrics.
        shown: the task's metrics in the order of the card; the first one is the main one.
        settings: how the measured answers were made, such as "decoding" -> "beam 4, length penalty 1.0".
        tables: further measurements, as title, header and rows.
        labels: of a classifier.
        parameters: how many numbers the model has.
        file_bytes: file or folder name -> bytes.
        training: minutes, epochs, steps, cores, seed, tokens_per_second.
        export: what was measured when the ``.tflite`` file was made.
        usage: commands that use the model.
        making: commands that make it.
        examples: (input, answer) of the model.
        verbatim: whether answers are shown as blocks of text with their line breaks.
        pictures: file relative to the card -> caption.
        limits: sentences about what the model must not be used for.
        notes: part of the data -> what was cut or left out -> how many times.
        read: how the training data was read, each a sentence.
    """

    name: str
    purpose: str
    version: str
    created: str
    parameters: int
    is_sample: bool = False
    data: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, dict[str, Any]] = field(default_factory=dict)
    shown: tuple[Metric, ...] = ()
    settings: dict[str, str] = field(default_factory=dict)
    tables: Sequence[tuple[str, Sequence[str], Sequence[Sequence[str]]]] = ()
    labels: Sequence[str] = ()
    file_bytes: dict[str, int] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)
    export: dict[str, Any] = field(default_factory=dict)
    usage: Sequence[str] = ()
    making: Sequence[str] = ()
    examples: Sequence[tuple[str, str]] = ()
    verbatim: bool = False
    pictures: dict[str, str] = field(default_factory=dict)
    limits: Sequence[str] = ()
    notes: dict[str, dict[str, int]] = field(default_factory=dict)
    read: Sequence[str] = ()


def model_card(facts: CardFacts) -> str:
    """Returns the card in Markdown; the text before the first "## " says the most important."""
    sections = [
        _top(facts),
        _use(facts),
        _results(facts),
        _exported(facts),
        _examples(facts),
        _data(facts),
        _limits(facts),
        _making(facts),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _top(facts: CardFacts) -> str:
    blocks = [f"# {inline(facts.name)}", inline(facts.purpose)]
    if facts.is_sample:
        blocks.append(
            "> **This is a toy.** It was trained on the small sample that comes with nlpseq, to show that everything "
            "works. Its results say nothing about real text: train it on your own data."
        )
    sizes = "".join(f"; `{name}` {_size(size)}" for name, size in facts.file_bytes.items())
    lines = [
        f"{_count(facts.parameters)} parameters{sizes}",
        f"made with nlpseq {inline(facts.version)} on {inline(facts.created)}",
    ]
    if quality := _quality(facts):
        lines.insert(0, quality)
    return "\n\n".join([*blocks, bullets(lines)])


def _quality(facts: CardFacts) -> str:
    """Returns the main results in a line: those of the test part, or else of the validation part."""
    part = next((part for part in ("test", "valid") if facts.metrics.get(part)), "")
    metrics = facts.metrics.get(part, {})
    measured = [
        f"{metric.words} {metric.shown(metrics[metric.key])}"
        for metric in facts.shown
        if metric.higher_is_better is not None and _is_number(metrics.get(metric.key))
    ]
    return f"{', '.join(measured[:_MOST_TOP_METRICS])} on the {_PART_WORDS[part]} part" if measured else ""


def _use(facts: CardFacts) -> str:
    return f"## Use it\n\n{code(facts.usage, 'sh')}" if facts.usage else ""


# Results


def _results(facts: CardFacts) -> str:
    blocks = ["## Results"]
    if parts := _measured_parts(facts.metrics):
        blocks.append(_metric_table(facts, parts))
        blocks += [f"{inline(what[:1].upper() + what[1:])}: {inline(how)}." for what, how in facts.settings.items()]
        for part in parts:
            confusion = facts.metrics[part].get(CONFUSION)
            if confusion and len(confusion) == len(facts.labels):
                blocks.append(_confusion(confusion, facts.labels, _PART_WORDS.get(part, part)))
        blocks.append(_signatures(facts, parts))
        if "test" not in parts:
            blocks.append(
                "No test part was measured. The validation part chose the best epoch, so its results flatter a little."
            )
    else:
        blocks.append("Nothing was measured.")
    for title, header, rows in facts.tables:
        cells = [[inline(cell) for cell in row] for row in rows]
        blocks.append(f"### {inline(title)}\n\n{table([inline(cell) for cell in header], cells)}")
    blocks += [picture(file, caption) for file, caption in facts.pictures.items()]
    return "\n\n".join(block for block in blocks if block)


def _measured_parts(metrics: dict[str, dict[str, Any]]) -> list[str]:
    """Returns the parts with results: those that every task has first."""
    known = [part for part in _PART_WORDS if metrics.get(part)]
    return [*known, *(part for part in metrics if part not in _PART_WORDS and metrics[part])]


def _metric_table(facts: CardFacts, parts: Sequence[str]) -> str:
    measured = {key for part in parts for key, value in facts.metrics[part].items() if _is_number(value)}
    shown = [metric for metric in facts.shown if metric.key in measured]
    others = sorted(measured - {metric.key for metric in shown})
    rows = []
    for metric in (*shown, *(find_metric(key, ()) for key in others)):
        values = [facts.metrics[part].get(metric.key) for part in parts]
        cells = [metric.shown(value) if _is_number(value) else "–" for value in values]
        rows.append([inline(metric.words), _direction(metric), *cells])
    return table(["", "better", *(inline(_PART_WORDS.get(part, part)) for part in parts)], rows)


def _direction(metric: Metric) -> str:
    if metric.higher_is_better is None:
        return ""
    return "higher" if metric.higher_is_better else "lower"


def _confusion(confusion: Sequence[Sequence[int]], labels: Sequence[str], part: str) -> str:
    """Returns the whole matrix of few labels, and the most frequent confusions of many."""
    if len(labels) <= _MOST_CONFUSION_LABELS:
        rows = [[f"**{inline(label)}**", *map(str, row)] for label, row in zip(labels, confusion, strict=True)]
        matrix = table(["true label", *(f"as {inline(label)}" for label in labels)], rows)
        return f"How the {inline(part)} texts of each label (rows) were labelled (columns):\n\n{matrix}"
    errors = [
        (count, true, predicted)
        for true, row in enumerate(confusion)
        for predicted, count in enumerate(row)
        if true != predicted and count
    ]
    if not errors:
        return ""
    errors.sort(key=lambda error: -error[0])
    worst = [
        [inline(labels[true]), inline(labels[predicted]), str(count)]
        for count, true, predicted in errors[:_MOST_CONFUSED_PAIRS]
    ]
    heading = f"The most frequent confusions in the {inline(part)} part:"
    return f"{heading}\n\n{table(['true label', 'predicted', 'texts'], worst)}"


def _signatures(facts: CardFacts, parts: Sequence[str]) -> str:
    found = dict.fromkeys(
        (find_metric(key.removeprefix(SIGNATURE), facts.shown).words, str(value))
        for part in parts
        for key, value in facts.metrics[part].items()
        if key.startswith(SIGNATURE)
    )
    if not found:
        return ""
    lines = bullets([f"{inline(words)}: `{signature}`" for words, signature in found])
    return f"How the metrics were computed, for comparing with other systems:\n\n{lines}"


def _exported(facts: CardFacts) -> str:
    """Returns what the file lost against the model that was trained, what it costs, and what is in it."""
    proof = facts.export
    if not proof:
        return ""
    metric = find_metric(proof["metric"], facts.shown)
    quality, differences, sizes = proof["quality"], proof["differences_from_keras"], proof["model_bytes"]
    rows = [["Keras", metric.shown(quality["keras"]), "", ""]]
    for kind in differences:
        apart = ", ".join(f"{name.replace('_', ' ')} {value:.3g}" for name, value in differences[kind].items())
        rows.append([_FILE_KINDS.get(kind, kind), metric.shown(quality[kind]), _size(sizes[kind]), apart])
    calls = ", ".join(f"{name} {value:.2g} ms" for name, value in proof["milliseconds"].items())
    operators = ", ".join(f"{name} {count}" for name, count in proof["operators"].items())
    judged = f"It may lose {metric.shown_difference(proof['tolerance'])}:"
    if proof.get("judged_by") == "equal answers":
        judged = (
            f"{inline(metric.words)} is 0, which proves nothing, so that it was judged by how many answers are equal:"
        )
    return "\n\n".join(
        [
            "## Exported file",
            "`model.tflite` holds the whole program, text in and text out. It was measured when it was made, on "
            f"{proof['examples']:,} examples of the validation part. {judged}",
            table(["", inline(metric.words), "size", "differences from the Keras model"], rows),
            f"A call takes, on one thread of the machine that made it: {calls} (median over validation texts). "
            f"A program that only uses it takes {_size(proof['peak_memory_bytes'])} of memory. `nlpseq verify` "
            "replays the examples in the file.",
            f"Operators, all built into TensorFlow Lite, and how often each stands in the file: {operators}.",
        ]
    )


# Examples, data, limits


def _examples(facts: CardFacts) -> str:
    if not facts.examples:
        return ""
    pairs = [(_cut(given), _cut(answer)) for given, answer in facts.examples]
    if facts.verbatim:
        blocks = [f"From {_quoted(given)}:\n\n{code([answer])}" for given, answer in pairs]
        return "\n\n".join(["## Examples", *blocks])
    rows = [[inline(given), inline(answer)] for given, answer in pairs]
    return f"## Examples\n\n{table(['in', 'out'], rows)}"


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_EXAMPLE else text[:_LONGEST_EXAMPLE].rstrip() + " …"


def _quoted(text: str) -> str:
    return f"“{inline(text)}”" if text.strip() else "nothing"


def _data(facts: CardFacts) -> str:
    unknown = {
        "source": "the sample that comes with nlpseq" if facts.is_sample else _NOT_STATED,
        "licence": f"{_NOT_STATED}: find out before you pass the model on",
    }
    stated = {row: value for row, value in facts.data.items() if value}
    rows = [[inline(_PART_WORDS.get(row, row)), inline(value)] for row, value in ({**unknown, **stated}).items()]
    rows.sort(key=lambda row: row[0] in unknown)  # the parts first
    blocks = ["## Data", table(["", ""], rows)]
    lines = [inline(line) for line in facts.read]
    lines += [
        f"{inline(_PART_WORDS.get(part, part))}: {count:,} {inline(what)}"
        for part, counts in facts.notes.items()
        for what, count in counts.items()
    ]
    if lines:
        blocks.append(bullets(lines))
    return "\n\n".join(blocks)


def _limits(facts: CardFacts) -> str:
    lines = [inline(limit) for limit in facts.limits]
    if facts.is_sample:
        toy = (
            "It is a toy, trained on the bundled sample, and its results are measured on text of the same kind. Do not "
            "use it for anything but trying nlpseq out."
        )
        lines.insert(0, toy)
    else:
        lines.append("Its results hold for text like the one it was measured on; measure yours with `nlpseq evaluate`.")
    return f"## Limits\n\n{bullets(lines)}"


def _making(facts: CardFacts) -> str:
    blocks = [code(facts.making, "sh") if facts.making else "", _effort(facts.training)]
    text = "\n\n".join(block for block in blocks if block)
    return f"## Make it again\n\n{text}" if text else ""


def _effort(training: dict[str, Any]) -> str:
    """Returns a sentence about what the training took."""
    took = []
    if _is_number(minutes := training.get("minutes")):
        took.append(f"{minutes:.0f} minutes" if minutes >= 10 else f"{minutes:.1f} minutes")
        if cores := training.get("cores"):
            took[0] += f" on {cores} CPU core{'s' if cores != 1 else ''}"
    for key, singular in (("epochs", "epoch"), ("steps", "step")):
        if _is_number(value := training.get(key)):
            took.append(f"{value:,} {singular if value == 1 else key}")
    if _is_number(speed := training.get("tokens_per_second")):
        took.append(f"{speed:,.0f} tokens a second")
    if training.get("seed") is not None:
        took.append(f"seed {training['seed']}")
    return f"Training took {', '.join(took)}. The complete configuration is in `config.toml`." if took else ""


# Numbers


def _is_number(value: Any) -> TypeGuard[int | float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _count(number: int) -> str:
    return f"{number / 1_000_000:.1f} million" if number >= 1_000_000 else f"{number:,}"


def _size(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:.1f} MB" if size_bytes >= 1e6 else f"{size_bytes / 1e3:.0f} kB"
