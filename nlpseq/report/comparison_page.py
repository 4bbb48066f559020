"""The report of ``nlpseq compare``: one HTML file with tables, pictures and words, and a summary for a terminal."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from nlpseq.report import comparison_pictures as pictures
from nlpseq.report import comparison_words as words
from nlpseq.report.comparison_facts import CELLS, Comparison, MemoryFacts, TextCell
from nlpseq.report.html_page import Block, command, heading, paragraph, picture, section, table, whole_page
from nlpseq.report.plain_table import plain_table

_TEXT_LAGS = (1, 8, 32, 64)
_NOTHING = "–"


def comparison_summary(comparison: Comparison) -> str:
    """Returns the tables of memory and text and a sentence on each part, as plain text."""
    parts = []
    if comparison.memory:
        lags = comparison.memory[0].lags
        parts.append(plain_table([["share solved", *(f"lag {lag}" for lag in lags)]], _memory_rows(comparison.memory)))
    if comparison.text:
        parts.append(plain_table([_TEXT_HEADER], [_text_row(cell) for cell in comparison.text]))
    return "\n\n".join([*parts, *words.summary(comparison)])


def comparison_page(comparison: Comparison, made_by: str, tokens_per_step: int) -> str:
    """Returns the whole report as HTML that needs no other file.

    Args:
        comparison: what was measured.
        made_by: the command that makes the report again.
        tokens_per_step: characters of a training step on the text.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    blocks = [
        paragraph(
            f"Seeds {', '.join(map(str, comparison.seeds))}. It took {comparison.seconds / 60:.1f} minutes and "
            f"{comparison.processor_seconds:.0f} seconds of all cores together."
        ),
        command(made_by),
    ]
    if comparison.stopped:
        blocks.append(paragraph(f"The time was used up: {comparison.stopped} trainings ended before their last step."))
    if comparison.memory:
        blocks += _memory_section(comparison.memory)
    if comparison.text:
        blocks += _text_section(comparison.text, comparison.data, tokens_per_step)
        blocks += _gradient_section(comparison.text)
    if comparison.effects:
        blocks.append(section("One change at a time"))
        for effect in comparison.effects:
            blocks.append(heading(effect.title))
            blocks.append(paragraph(f"{effect.setting}."))
            blocks.append(picture(pictures.effect_picture(effect), effect.title))
            blocks += map(paragraph, words.effect_sentences(effect))
    return whole_page("RNN, LSTM and GRU", blocks)


def _memory_section(memory: Sequence[MemoryFacts]) -> list[Block]:
    lags = memory[0].lags
    lag = words.spoken_lag(lags)
    blocks = [
        section("Memory with a known answer"),
        paragraph(
            "All cells have as many weights and the same training: each batch draws one of the lags, short ones more "
            "often. The learning rate is the best of a short sweep, and falls in the second half. Gates start so that "
            "what they remember is spread over times up to the longest lag (Tallec & Ollivier 2018); the RNN has no "
            "gates and starts orthogonal. The dotted line is what can be solved without memory."
        ),
        picture(pictures.memory_picture(memory, lag), "share solved by lag and by training step"),
    ]
    for facts in memory:
        blocks.append(heading(facts.problem.capitalize()))
        blocks.append(paragraph(facts.summary))
        blocks += map(paragraph, words.memory_sentences(facts))
    blocks.append(table(["share solved", *(f"lag {each}" for each in lags)], _memory_rows(memory)))
    blocks.append(table(["steps until solved", *(f"lag {each}" for each in lags)], _steps_rows(memory)))
    rates = sorted({rate for facts in memory for tried in facts.rates.values() for rate in tried})
    blocks.append(paragraph("The sweep: the loss after a part of the steps, with each rate."))
    blocks.append(table(["learning rate", *map(str, rates)], _rate_rows(memory, rates)))
    probed = memory[0]
    if any(run.gradients for run in probed.runs):
        blocks.append(heading(f"Gradient through {probed.problem} at a lag of {probed.probe_lag}"))
        blocks.append(picture(pictures.memory_gradient_picture(probed), "gradient by lag"))
        blocks += map(paragraph, words.memory_gradient_sentences(probed))
    return blocks


def _memory_rows(memory: Sequence[MemoryFacts]) -> list[list[str]]:
    rows = []
    for facts in memory:
        for cell in CELLS:
            runs = facts.of(cell)
            shares = [[run.share(lag) for run in runs] for lag in facts.lags]
            rows.append([f"{facts.problem} {cell}", *(_spread(values) for values in shares)])
    return rows


def _spread(values: Sequence[float]) -> str:
    mean = f"{100 * statistics.fmean(values):.1f} %"
    return f"{mean} ({100 * min(values):.0f}–{100 * max(values):.0f})" if len(values) > 1 else mean


def _steps_rows(memory: Sequence[MemoryFacts]) -> list[list[str]]:
    return [
        [f"{facts.problem} {cell}"]
        + [
            ", ".join(
                _NOTHING if at is None else f"{at:,}" for at in (run.steps_until_solved(lag) for run in facts.of(cell))
            )
            for lag in facts.lags
        ]
        for facts in memory
        for cell in CELLS
    ]


def _rate_rows(memory: Sequence[MemoryFacts], rates: Sequence[float]) -> list[list[str]]:
    rows = []
    for facts in memory:
        for cell in CELLS:
            chosen = facts.of(cell)[0].learning_rate if facts.of(cell) else None
            tried = facts.rates[cell]
            losses = [f"{tried[rate]:.4f}" + (" *" if rate == chosen else "") for rate in rates]
            rows.append([f"{facts.problem} {cell}", *losses])
    return rows


_TEXT_HEADER = [
    "cell", "units", "weights", "rate", "nats/char", "± seeds", "in equal time", "steps", "tokens/s",
    *(f"gradient {lag}" for lag in _TEXT_LAGS),
]  # fmt: skip


def _text_row(cell: TextCell) -> list[str]:
    norms = cell.gradient("end")
    return [
        cell.cell,
        f"{cell.units:,}",
        f"{cell.weights:,}",
        f"{cell.learning_rate:g}",
        f"{cell.nats.mean:.3f}",
        f"{cell.nats.deviation:.3f}",
        f"{cell.timed_nats.mean:.3f}",
        f"{cell.runs[0].timed_steps:,}",
        f"{cell.tokens_per_second:,.0f}",
        *(f"{norms[lag] / norms[0]:.0e}" if len(norms) > lag and norms[0] else _NOTHING for lag in _TEXT_LAGS),
    ]


def _text_section(text: Sequence[TextCell], data: str, tokens_per_step: int) -> list[Block]:
    rates = sorted({rate for cell in text for rate in cell.rates})
    clipped = ", ".join(f"{cell.cell.upper()} {100 * _clipped(cell):.0f} %" for cell in text)
    return [
        section("On a text"),
        paragraph(
            f"The text is {data}. Units are such that all models have as many weights. Validation nats per character; "
            'lower is better. "In equal time" is after as many seconds as the slowest cell took for its steps, on one '
            f"core. Gradients were clipped at a norm of 1: {clipped} of the steps. Gradient columns: its norm so many "
            "steps before the loss, as a part of the one at the last step, after training."
        ),
        picture(pictures.text_picture(text, tokens_per_step), "training loss by step and by time"),
        *map(paragraph, words.text_sentences(text)),
        table(_TEXT_HEADER, [_text_row(cell) for cell in text]),
        paragraph("The sweep: validation nats per character after a part of the steps, with each learning rate."),
        table(
            ["learning rate", *map(str, rates)],
            [
                [cell.cell]
                + [f"{cell.rates[rate]:.3f}" + (" *" if rate == cell.learning_rate else "") for rate in rates]
                for cell in text
            ],
        ),
    ]


def _clipped(cell: TextCell) -> float:
    return statistics.fmean(run.clipped for run in cell.runs)


def _gradient_section(text: Sequence[TextCell]) -> list[Block]:
    return [
        section("The gradient through time"),
        paragraph("The norm of the gradient of the last step's loss with respect to each earlier input."),
        picture(pictures.text_gradient_picture(text), "gradient by lag"),
        *map(paragraph, words.gradient_sentences(text)),
        heading("Largest singular values"),
        paragraph(
            "A gradient passes through the product of the steps' Jacobians (Pascanu et al. 2013). Its largest singular "
            "value says how much it can grow at most, or what can be left of it."
        ),
        picture(pictures.singular_value_picture(text), "largest singular values by lag"),
        *map(paragraph, words.singular_value_sentences(text)),
    ]
