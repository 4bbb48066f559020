"""The model card: what a model is, how good it is, what it must not be used for, and how to make it again."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

from nlpseq.report.metric_names import metric_name, metric_words, shown_metric

_LANGUAGES = {
    "ar": "Arabic",
    "cs": "Czech",
    "da": "Danish",
    "de": "German",
    "el": "Greek",
    "en": "English",
    "es": "Spanish",
    "fi": "Finnish",
    "fr": "French",
    "hi": "Hindi",
    "hu": "Hungarian",
    "it": "Italian",
    "ja": "Japanese",
    "ko": "Korean",
    "nl": "Dutch",
    "no": "Norwegian",
    "pl": "Polish",
    "pt": "Portuguese",
    "ro": "Romanian",
    "ru": "Russian",
    "sv": "Swedish",
    "tr": "Turkish",
    "uk": "Ukrainian",
    "zh": "Chinese",
}
_LIMITS = {
    "translation": (
        "It translates sentence by sentence and knows nothing of the sentences around.",
        "It can leave words out, repeat them or make them up, above all in long sentences and in text unlike its "
        "training data. Do not use it where a wrong translation does harm.",
    ),
    "sentiment": (
        "It answers with one of its labels whatever the text is, also where none fits.",
        "It learnt the words of its training data: irony, other subjects and other languages mislead it. Do not decide "
        "about people with it.",
    ),
    "char-lm": (
        "It writes text that looks like its training data. What the text says is not true, only probable.",
        "It can repeat stretches of its training data word for word: their licence holds for these.",
    ),
}
_PICTURES = {
    "curves.png": "Training loss and validation metric over time",
    "attention.png": "Attention of each target piece (row) over the source pieces (columns)",
    "relevance.png": "What spoke for the predicted label (orange) and against it (blue)",
}
_FILE_KINDS = {"none": "file of 32-bit weights", "float16": "file of 16-bit weights", "int8": "file of 8-bit weights"}
_PARTS = ("train", "valid", "test")
_PART_WORDS = {"train": "training", "valid": "validation", "test": "test"}
_MOST_LABELS = 20
_MOST_CONFUSION_LABELS = 10
_MOST_CONFUSED_PAIRS = 10
_LONGEST_EXAMPLE = 400  # characters


@dataclass(frozen=True)
class CardFacts:
    """All that a model card says.

    Attributes:
        name: of the model, such as "en-fr".
        task: such as "translation".
        version: of nlpseq.
        created: ISO date.
        data: the SPECs by part (train, valid, test), "licence" and "source"; what is missing or empty is not known.
        is_sample: it was trained on the bundled sample.
        metrics: part -> what the task's ``evaluate`` returned.
        labels: of a classifier.
        languages: source and target codes of a translator.
        parameters: how many numbers the model has.
        file_bytes: file or folder name -> bytes.
        export: what was measured when its ``.tflite`` file was made; empty where there is none.
        training: minutes, epochs, steps, cores, seed, tokens_per_second; what is missing is not said.
        commands: how to use the model and how it was made (those with ``train-task``).
        examples: (input, output) of the model.
        pictures: files beside the card.
        notes: what happened to the data -> how many times, such as {"texts cut": 3}.
    """

    name: str
    task: str
    version: str
    created: str
    data: dict[str, str]
    is_sample: bool
    metrics: dict[str, dict[str, Any]]
    labels: tuple[str, ...]
    languages: tuple[str, str] | None
    parameters: int
    file_bytes: dict[str, int]
    training: dict[str, Any]
    export: dict[str, Any]
    commands: list[str]
    examples: list[tuple[str, str]]
    pictures: list[str]
    notes: dict[str, int]


def model_card(facts: CardFacts) -> str:
    """The card in Markdown; what stands before the first "## " says the most important on a terminal, too."""
    sections = [
        _top(facts),
        _use(facts),
        _results(facts),
        _exported(facts.export),
        _examples(facts),
        _data(facts),
        _limits(facts),
        _making(facts),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _top(facts: CardFacts) -> str:
    lines = [f"# {_inline(facts.name)}", "", _purpose(facts)]
    if facts.is_sample:
        lines += [
            "",
            "> **This is a toy.** It was trained on the small sample that comes with nlpseq, to show that everything "
            "works. Its results say nothing about real text: train it on your own data.",
        ]
    lines += ["", f"- {_quality(facts)}"] if _quality(facts) else [""]
    lines.append(f"- {_count(facts.parameters)} parameters{_sizes(facts.file_bytes)}")
    lines.append(f"- made with nlpseq {_inline(facts.version)} on {_inline(facts.created)}")
    return "\n".join(lines)


def _purpose(facts: CardFacts) -> str:
    if facts.task == "translation":
        if facts.languages and all(facts.languages):
            source, target = (_LANGUAGES.get(code, code) for code in facts.languages)
            return f"Translates from {_inline(source)} into {_inline(target)}: text in, text out."
        return "Turns a text into another, as it learnt from pairs of texts: text in, text out."
    if facts.task == "sentiment":
        return f"Gives a text one of {len(facts.labels)} labels: {_listed(facts.labels)}."
    if facts.task == "char-lm":
        return "Continues a text character by character, and says how probable a text is."
    return f"A model for the task {_inline(facts.task)}."


def _quality(facts: CardFacts) -> str:
    """The most important results in a line: the test part's, or else the validation part's."""
    part = next((part for part in ("test", "valid") if facts.metrics.get(part)), "")
    metrics = facts.metrics.get(part, {})
    telling = ("bleu", "chrf", "accuracy", "macro_f1", "nats_per_character", "bits_per_character")
    shown = [
        f"{metric_words(key)} {shown_metric(key, metrics[key])}" for key in telling if _is_number(metrics.get(key))
    ]
    return f"{', '.join(shown)} on the {_PART_WORDS[part]} part" if shown else ""


def _use(facts: CardFacts) -> str:
    commands = [command for command in facts.commands if "train-task" not in command]
    return f"## Use it\n\n{_code(commands, 'sh')}" if commands else ""


# Results


def _results(facts: CardFacts) -> str:
    parts = _ordered(facts.metrics)
    if not parts:
        return "## Results\n\nNothing was measured."
    blocks = ["## Results", _metric_table(facts.metrics, parts)]
    for part in parts:
        if (confusion := facts.metrics[part].get("confusion")) and len(confusion) == len(facts.labels):
            blocks.append(_confusion(confusion, facts.labels, _PART_WORDS.get(part, part)))
    if signatures := _signatures(facts.metrics, parts):
        blocks.append(signatures)
    if "test" not in parts:
        blocks.append(
            "No test part was measured. The validation part chose the best epoch, so that its results flatter a little."
        )
    for name in facts.pictures:
        blocks.append(f"![{_inline(_PICTURES.get(name.rpartition('/')[2], name))}]({name.replace(' ', '%20')})")
    return "\n\n".join(blocks)


def _metric_table(metrics: dict[str, dict[str, Any]], parts: Sequence[str]) -> str:
    keys = dict.fromkeys(key for part in parts for key, value in metrics[part].items() if _is_number(value))
    rows = [
        [_inline(metric_words(key)), _direction(key), *(_measured(key, metrics[part].get(key)) for part in parts)]
        # Counts after what they count for.
        for key in sorted(keys, key=_is_count)
    ]
    return _table(["", "better", *(_PART_WORDS.get(part, part) for part in parts)], rows)


def _direction(key: str) -> str:
    known = metric_name(key)
    if known is None or known.higher_is_better is None:
        return ""
    return "higher" if known.higher_is_better else "lower"


def _measured(key: str, value: Any) -> str:
    return shown_metric(key, value) if _is_number(value) else "–"


def _is_number(value: Any) -> TypeGuard[int | float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_count(key: str) -> bool:
    known = metric_name(key)
    return known is not None and known.higher_is_better is None


def _confusion(confusion: Sequence[Sequence[int]], labels: Sequence[str], part: str) -> str:
    if len(labels) <= _MOST_CONFUSION_LABELS:
        rows = [[f"**{_inline(label)}**", *map(str, row)] for label, row in zip(labels, confusion, strict=True)]
        table = _table(["true label", *(f"as {_inline(label)}" for label in labels)], rows)
        return f"How the {part} texts of each label (rows) were labelled (columns):\n\n{table}"
    errors = [
        (count, true, predicted)
        for true, row in enumerate(confusion)
        for predicted, count in enumerate(row)
        if true != predicted and count
    ]
    errors.sort(key=lambda error: -error[0])
    rows = [
        [_inline(labels[true]), _inline(labels[predicted]), str(count)]
        for count, true, predicted in errors[:_MOST_CONFUSED_PAIRS]
    ]
    if not rows:
        return ""
    return f"What it confused most in the {part} part:\n\n{_table(['true label', 'predicted', 'texts'], rows)}"


def _signatures(metrics: dict[str, dict[str, Any]], parts: Sequence[str]) -> str:
    prefix = "signature_"
    found = dict.fromkeys(
        (metric_words(key.removeprefix(prefix)), str(value))
        for part in parts
        for key, value in metrics[part].items()
        if key.startswith(prefix)
    )
    if not found:
        return ""
    lines = [f"- {words}: `{signature}`" for words, signature in found]
    return "\n".join(["Signatures of sacreBLEU, for comparing with other systems:", "", *lines])


# The exported file


def _exported(proof: dict[str, Any]) -> str:
    """What the file lost against the model that was trained, what it costs, and what is in it."""
    if not proof:
        return ""
    key, quality = proof["metric"], proof["quality"]
    differences, sizes = proof["differences_from_keras"], proof["model_bytes"]
    header = ["", metric_words(key), "size", "differences from the Keras model"]
    rows = [["Keras", shown_metric(key, quality["keras"]), "", ""]]
    for kind in differences:
        apart = ", ".join(f"{name.replace('_', ' ')} {value:.3g}" for name, value in differences[kind].items())
        rows.append([_FILE_KINDS.get(kind, kind), shown_metric(key, quality[kind]), _megabytes(sizes[kind]), apart])
    calls = ", ".join(f"{name} {value:.2g} ms" for name, value in proof["milliseconds"].items())
    operators = ", ".join(f"{name} {count}" for name, count in proof["operators"].items())
    return "\n\n".join(
        [
            "## Exported file",
            "`model.tflite` holds the whole program, text in and text out. It was measured when it was made, on "
            f"{proof['examples']:,} examples of the validation part, of which it may lose {_tolerated(proof)}:",
            _table(header, rows),
            f"A call takes, on one thread of the machine that made it: {calls} (median over validation texts). "
            f"A program that only uses it takes {_megabytes(proof['peak_memory_bytes'])} of memory. `nlpseq verify` "
            "replays the examples in the file.",
            f"Operators, all built into TensorFlow Lite, and how often each stands in the file: {operators}.",
        ]
    )


def _tolerated(proof: dict[str, Any]) -> str:
    """How much of its metric the file may lose."""
    key, allowed = proof["metric"], proof["tolerance"]
    return f"{100 * allowed:.2g} points" if key == "accuracy" else f"{allowed:.2g} of {metric_words(key)}"


# Examples


def _examples(facts: CardFacts) -> str:
    if not facts.examples:
        return ""
    pairs = [(_cut(given), _cut(answer)) for given, answer in facts.examples]
    if any("\n" in text.strip() for pair in pairs for text in pair) or facts.task == "char-lm":
        blocks = [f"From {_quoted(given)}:\n\n{_code([answer])}" for given, answer in pairs]
        return "\n\n".join(["## Examples", *blocks])
    rows = [[_inline(given), _inline(answer)] for given, answer in pairs]
    return f"## Examples\n\n{_table(['in', 'out'], rows)}"


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_EXAMPLE else text[:_LONGEST_EXAMPLE].rstrip() + " …"


def _quoted(text: str) -> str:
    return f"“{_inline(text)}”" if text.strip() else "nothing"


# Data and limits


def _data(facts: CardFacts) -> str:
    rows = [[_PART_WORDS[part], _span(facts.data[part])] for part in _PARTS if facts.data.get(part)]
    unknown_source = "the sample that comes with nlpseq" if facts.is_sample else "not stated"
    rows.append(["source", _inline(facts.data.get("source") or unknown_source)])
    rows.append(["licence", _inline(facts.data.get("licence") or "not stated: find out before you pass the model on")])
    blocks = ["## Data", _table(["", ""], rows)]
    if facts.data.get("train") and not facts.data.get("valid"):
        own = "the corpus' own where it has one, or else " if facts.data["train"].startswith("tfds:") else ""
        blocks.append(f"The validation part is {own}split off the training data; the model was not trained on it.")
    if facts.notes:
        blocks.append("\n".join(f"- {count:,} {_inline(what)}" for what, count in facts.notes.items()))
    return "\n\n".join(blocks)


def _limits(facts: CardFacts) -> str:
    lines = list(_LIMITS.get(facts.task, ()))
    if facts.is_sample:
        lines.insert(
            0,
            "It is a toy, trained on the bundled sample, and its results are measured on text of the same kind. Do not "
            "use it for anything but trying nlpseq out.",
        )
    else:
        lines.append("Its results hold for text like its test data; measure it on yours with `nlpseq evaluate`.")
    return "\n".join(["## Limits", "", *(f"- {line}" for line in lines)])


def _making(facts: CardFacts) -> str:
    blocks = ["## Make it again"]
    if commands := [command for command in facts.commands if "train-task" in command]:
        blocks.append(_code(commands, "sh"))
    if effort := _effort(facts.training):
        blocks.append(effort)
    return "\n\n".join(blocks) if len(blocks) > 1 else ""


def _effort(training: dict[str, Any]) -> str:
    """A sentence on what the training took."""
    words = []
    if _is_number(minutes := training.get("minutes")):
        words.append(f"{minutes:.0f} minutes" if minutes >= 10 else f"{minutes:.1f} minutes")
    if cores := training.get("cores"):
        words.append(f"on {cores} CPU core{'s' if cores != 1 else ''}")
    took = [f"Training took {' '.join(words)}"] if words else []
    for key, singular in (("epochs", "epoch"), ("steps", "step")):
        if _is_number(value := training.get(key)):
            took.append(f"{value:,} {singular if value == 1 else key}")
    if _is_number(speed := training.get("tokens_per_second")):
        took.append(f"{speed:,.0f} tokens a second")
    if training.get("seed") is not None:
        took.append(f"seed {training['seed']}")
    return f"{', '.join(took)}. The complete configuration is in `config.toml`." if took else ""


# Markdown


def _inline(text: str) -> str:
    """Text that Markdown and a table's cell leave as it is, in one line."""
    return re.sub(r"([\\`*_\[\]<>|$~#])", r"\\\1", " ".join(str(text).split()))


def _span(text: str) -> str:
    """Text as code, in one line of a table."""
    return "`" + " ".join(text.split()).replace("`", "'").replace("|", "\\|") + "`"


def _code(lines: Sequence[str], language: str = "") -> str:
    """A code block that none of its lines can end."""
    longest = max((len(run) for line in lines for run in re.findall(r"`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    return "\n".join([f"{fence}{language}", *(line.strip("\n") for line in lines), fence])


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    is_number = [
        bool(rows) and all(re.fullmatch(r"[–\d.,%\s-]+", row[column]) for row in rows) for column in range(len(header))
    ]
    rule = ["---:" if right else "---" for right in is_number]
    return "\n".join(f"| {' | '.join(row)} |" for row in (header, rule, *rows))


def _listed(labels: Sequence[str]) -> str:
    shown = ", ".join(_inline(label) for label in labels[:_MOST_LABELS])
    more = len(labels) - _MOST_LABELS
    return f"{shown} and {more} more" if more > 0 else shown


def _ordered(metrics: dict[str, dict[str, Any]]) -> list[str]:
    known = [part for part in _PARTS if metrics.get(part)]
    return [*known, *(part for part in metrics if part not in _PARTS and metrics[part])]


def _count(number: int) -> str:
    if number >= 1_000_000:
        return f"{number / 1_000_000:.1f} million"
    return f"{number:,}"


def _sizes(file_bytes: dict[str, int]) -> str:
    return "".join(f"; `{name}` {_megabytes(size)}" for name, size in file_bytes.items())


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{size / 1e3:.0f} kB"
