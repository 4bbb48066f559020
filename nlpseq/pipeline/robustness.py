"""Whether a model holds on what people type: its metric under noise, words that must be copied, answers with faults."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from nlpseq.data import noise, probes
from nlpseq.data.probes import Probe
from nlpseq.errors import UserError
from nlpseq.export.proof import fair_sample
from nlpseq.runtime.questions import Answer, Question
from nlpseq.tasks.base import Task
from nlpseq.text.faults import amount_stands_in, figures, loops, stands_in

TEXTS = 1000  # of which nlpseq evaluate measures it
TEXTS_OF_A_CARD = 300
_COPIED_WORDS = 40  # of each kind
_TRANSLATE = "translate"

Ask = Callable[[Sequence[Question]], list[Answer]]


def can_be_measured(task: Task[Any]) -> bool:
    """Whether the task's models translate or classify."""
    return task.facts.signature in (_TRANSLATE, "classify")


def measure(task: Task[Any], questions: Sequence[Question], ask: Ask, most: int) -> dict[str, Any]:
    """Asks a sample of the questions as they are, with each kind of noise, and with words that must be copied.

    The sample and all noise are the same ones every time.

    Args:
        task: of the model; its first metric is measured.
        questions: with their answers.
        ask: asks the model.
        most: texts of the sample.

    Returns:
        metric: its key.
        texts: how many are in the sample.
        as_they_are: the metric of the sample.
        noise: for each kind: how many ``texts`` it changes, the metric of these ``as_they_are`` and ``with_noise``, and
            of a translator ``faults``, of a classifier the number of answers with ``other_labels``.
        copied: of a translator, for each kind of word how many came out ``right``, ``of`` how many.
        faults: of a translator, of the sample as it is; ``all_faults`` are those of all answers.

    Faults are how many ``answers`` there are, how many of them are ``empty``, how many ``loop`` though the text does
    not, and how many have ``changed_figures``, of so many ``with_figures`` in text and expected answer alike.

    Raises:
        UserError: there is no question.
    """
    translated = task.facts.signature == _TRANSLATE
    questions = [question for question in questions if question.text.strip() and question.expected]
    if not questions:
        raise UserError("there is no text with an answer in the data to measure robustness on")
    sample = fair_sample(questions, most)
    noisy = {kind: probes.noisy(sample, kind, translated=translated) for kind in noise.KINDS}
    noisy[probes.JOINED] = probes.joined(sample, translated=translated)
    copied = probes.copied(questions, _COPIED_WORDS) if translated else {}

    asked = [*sample, *(probe.question for made in (*noisy.values(), *copied.values()) for probe in made)]
    answers = dict(zip(asked, ask(asked), strict=True))
    found: dict[str, Any] = {
        "metric": task.metrics[0].key,
        "texts": len(sample),
        "as_they_are": _metric(task, sample, [answers[question] for question in sample]),
        "noise": {kind: _under_noise(task, made, answers) for kind, made in noisy.items() if made},
    }
    if translated:
        found["copied"] = {
            kind: {"right": sum(_came_out(kind, probe, answers) for probe in made), "of": len(made)}
            for kind, made in copied.items()
        }
        found |= {"faults": _faults(answers, sample), "all_faults": _faults(answers, asked)}
    return found


def _under_noise(task: Task[Any], made: Sequence[Probe], answers: Mapping[Question, Answer]) -> dict[str, Any]:
    noisy = [probe.question for probe in made]
    theirs = [answers[question] for question in noisy]
    found = {"texts": len(noisy), "with_noise": _metric(task, noisy, theirs)}
    if task.facts.signature == _TRANSLATE:
        plain = [probe.originals[0] if len(probe.originals) == 1 else probe.question for probe in made]
        before = [_joined([answers[original] for original in probe.originals]) for probe in made]
        return {**found, "as_they_are": _metric(task, plain, before), "faults": _faults(answers, noisy)}
    plain = list(dict.fromkeys(original for probe in made for original in probe.originals))
    before = [answers[original] for original in plain]
    others = sum(any(answers[each].text != answers[probe.question].text for each in probe.originals) for probe in made)
    return {**found, "as_they_are": _metric(task, plain, before), "other_labels": others}


def _metric(task: Task[Any], questions: Sequence[Question], answers: Sequence[Answer]) -> float:
    """The task's first metric."""
    key, values = task.metrics[0].key, task.score(answers, questions, complete=False)
    if key not in values:  # the task does not know what to watch, and chose otherwise for these
        values = task.score(answers, questions)
    return float(values[key])


def _joined(answers: Sequence[Answer]) -> Answer:
    return answers[0] if len(answers) == 1 else Answer(" ".join(answer.text for answer in answers))


def _came_out(kind: str, probe: Probe, answers: Mapping[Question, Answer]) -> bool:
    """Whether the word stands in the answer; an amount may be written as the target language does."""
    stands = amount_stands_in if kind == "amounts" else stands_in
    return stands(probe.word, answers[probe.question].text)


def _faults(answers: Mapping[Question, Answer], questions: Sequence[Question]) -> dict[str, int]:
    with_figures = [question for question in questions if _has_figures_to_keep(question)]
    return {
        "answers": len(questions),
        "empty": sum(not answers[question].text.strip() for question in questions),
        "loop": sum(loops(answers[question].text) and not loops(question.text) for question in questions),
        "changed_figures": sum(figures(answers[each].text) != figures(each.text) for each in with_figures),
        "with_figures": len(with_figures),
    }


def _has_figures_to_keep(question: Question) -> bool:
    theirs = figures(question.text)
    return bool(theirs) and any(figures(answer) == theirs for answer in question.expected)
