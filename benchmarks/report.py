"""From turns to tables: rates, ratios round by round, and the share of what the machine could do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from benchmarks.race import Turn

KERAS = ("keras", "keras-jit", "keras-replicas")


@dataclass(frozen=True)
class Ratio:
    """How many times as fast: the median over rounds, and the best turn against the best turn."""

    median: float
    best: float

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.best:.2f})"


@dataclass(frozen=True)
class Row:
    """A contender's results.

    Attributes:
        tokens_per_second: the median over rounds.
        best_tokens_per_second: of its best round.
        against: its ratio to another, by the other's name.
        gemm_share: part of the rate that the machine's large matrix product would allow, median over rounds.
        loss: after the last turn, in nats.
    """

    contender: str
    tokens_per_second: float
    best_tokens_per_second: float
    against: dict[str, Ratio]
    gemm_share: float | None
    peak_bytes: int
    loss: float


def ratio(turns: Sequence[Turn], others: Sequence[Turn]) -> Ratio:
    """Of tokens per second, each round's turns against each other."""
    rates = [[turn.tokens_per_second for turn in both] for both in (turns, others)]
    per_round = [mine / other for mine, other in zip(*rates, strict=True)]
    return Ratio(median(per_round), max(rates[0]) / max(rates[1]))


def keras_best(turns: Mapping[str, Sequence[Turn]]) -> str:
    """The fastest of the ways to train Keras' own layers, by its median; "" where none took part."""
    present = [name for name in KERAS if name in turns]
    return max(present, key=lambda name: _median_rate(turns[name]), default="")


def rows(turns: Mapping[str, Sequence[Turn]]) -> list[Row]:
    """A row for each contender but "gemm", which gives the limit."""
    references = [name for name in (keras_best(turns), "pytorch") if name in turns]
    gemm = turns.get("gemm")
    result = []
    for name, own in turns.items():
        if name == "gemm":
            continue
        shares = [
            turn.operations_per_second / limit.operations_per_second
            for turn, limit in zip(own, gemm or own, strict=True)
        ]
        result.append(
            Row(
                contender=name,
                tokens_per_second=_median_rate(own),
                best_tokens_per_second=max(turn.tokens_per_second for turn in own),
                against={other: ratio(own, turns[other]) for other in references if other != name},
                gemm_share=median(shares) if gemm else None,
                peak_bytes=max(turn.peak_bytes for turn in own),
                loss=own[-1].loss,
            )
        )
    return result


def gemm_limit(turns: Mapping[str, Sequence[Turn]]) -> tuple[float, float]:
    """The large product's operations per second, and the tokens per second that these allow the model."""
    rate = median(turn.operations_per_second for turn in turns["gemm"])
    own = next(own for name, own in turns.items() if name != "gemm")
    return rate, rate * sum(turn.tokens for turn in own) / sum(turn.operations for turn in own)


def table(turns: Mapping[str, Sequence[Turn]]) -> str:
    """Results as a Markdown table, and the limit below it."""
    best = keras_best(turns)
    others = [name for name in (best, "pytorch") if name in turns]
    head = ["contender", "tokens/s", "best"]
    head += ["to Keras' best" if name == best else f"to {name}" for name in others]
    head += [*(["of GEMM limit"] if "gemm" in turns else []), "peak MB", "loss"]
    lines = []
    for row in rows(turns):
        cells = [row.contender, f"{row.tokens_per_second:,.0f}", f"{row.best_tokens_per_second:,.0f}"]
        cells += [str(row.against.get(name, "1")) for name in others]
        cells += [f"{100 * row.gemm_share:.0f} %"] if row.gemm_share is not None else []
        lines.append([*cells, f"{row.peak_bytes / 1e6:,.0f}", f"{row.loss:.3f}"])
    text = markdown(head, lines)
    if best:
        text += f"\nKeras' best: {best}."
    if "gemm" in turns:
        rate, tokens = gemm_limit(turns)
        text += (
            f"\nGEMM limit: {rate / 1e9:,.0f} GFLOP/s / (3 x 2 x {rate / tokens / 6 / 1e6:.3f} million multiply-adds "
            f"a token) = {tokens:,.0f} tokens/s."
        )
    return f"{text}\n{disturbance(turns)}\n"


def disturbance(turns: Mapping[Any, Sequence[Turn]]) -> str:
    """How far to trust the figures: who waits for all of its threads suffers most from other processes."""
    shares = [turn.others_share for own in turns.values() for turn in own]
    return (
        f"Other processes took {100 * median(shares):.0f} % of the processors meanwhile (median; at most "
        f"{100 * max(shares):.0f} %)."
    )


def markdown(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A table whose columns are aligned for reading as plain text too."""
    widths = [max(len(line[column]) for line in (head, *lines)) for column in range(len(head))]

    def form(cells: Sequence[str]) -> str:
        first, *rest = (
            cell.ljust(width) if index == 0 else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(cells, widths, strict=True))
        )
        return f"| {' | '.join([first, *rest])} |"

    rule = "|".join("-" * (width + 1) + ("-" if index == 0 else ":") for index, width in enumerate(widths))
    return "\n".join([form(head), f"|{rule}|", *map(form, lines)]) + "\n"


def _median_rate(turns: Sequence[Turn]) -> float:
    return median(turn.tokens_per_second for turn in turns)
