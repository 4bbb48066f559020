"""What a comparison has shown, in words that are made from its figures."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence

from nlpseq.report.comparison_facts import (
    CELLS,
    SOLVED,
    Comparison,
    Effect,
    MemoryFacts,
    Spread,
    TextCell,
    Variant,
    last_loss,
    share_above,
)

_GATED = ("lstm", "gru")
_FAR = 100  # the lag that is spoken of, if it was measured
_LISTENS = 0.3  # part of the largest norm, from which an input counts among the most important
_SEEN_LAG = 32  # of gradients through a text


def memory_sentences(facts: MemoryFacts) -> list[str]:
    """Says who solved a problem, how soon, and whether gates made the difference."""
    lag = spoken_lag(facts.lags)
    shares = {cell: Spread.of(run.share(lag) for run in facts.of(cell)) for cell in CELLS}
    solved = ", ".join(f"the {cell.upper()} {_percent(shares[cell].mean)}" for cell in CELLS)
    sentences = [
        f"At a lag of {lag}, {solved} of the held-out sequences were solved; without memory it would be "
        f"{_percent(facts.chance)}."
    ]
    gated = min(shares[cell].mean for cell in _GATED)
    plain = shares["rnn"].mean
    if gated >= SOLVED and plain < SOLVED:
        sentences.append("Both cells with gates solve it, the plain RNN does not.")
    elif gated >= SOLVED:
        sentences.append("All three solve it: in this run gates were not needed, which is not what the books say.")
    elif max(*(shares[cell].mean for cell in CELLS)) < SOLVED / 2:
        sentences.append("No cell has learnt it in so few steps: this run says nothing about their memories.")
    elif gated > plain:
        sentences.append("The cells with gates are ahead, but not both count as having solved it in these steps.")
    else:
        sentences.append("The RNN is not behind both cells with gates, which is not what the books say.")
    sentences.append(" ".join(_soon(facts, cell, lag) for cell in CELLS))
    return sentences


def _soon(facts: MemoryFacts, cell: str, lag: int) -> str:
    runs = facts.of(cell)
    steps = [at for run in runs if (at := run.steps_until_solved(lag)) is not None]
    longest = [each for each in facts.lags if all(run.steps_until_solved(each) is not None for run in runs)]
    if len(steps) == len(runs):
        return f"{cell.upper()}: {_range(steps)} steps until it is solved."
    reach = f"; all of them solved lags up to {max(longest)}" if longest else ""
    most = max(run.checks[-1] for run in runs)
    return f"{cell.upper()}: {len(steps)} of {len(runs)} runs solved it within {most:,} steps{reach}."


def memory_gradient_sentences(facts: MemoryFacts) -> list[str]:
    """Says how much of the gradient reaches the inputs that must be remembered, before and after training."""
    start, end = ({cell: _far_part(facts, cell, when) for cell in CELLS} for when in ("start", "end"))
    parts = [f"{cell.upper()} {_part(start[cell])} at the start and {_part(end[cell])} at the end" for cell in CELLS]
    sentences = [f"Norm at the first input, as a part of the largest norm at any input: {'; '.join(parts)}."]
    listening = [cell.upper() for cell in CELLS if end[cell] > _LISTENS]
    if listening:
        sentences.append(
            f"After training, the first input, {facts.probe_lag} steps back, is among those that count most for "
            f"{' and '.join(listening)}."
        )
    return sentences


def _far_part(facts: MemoryFacts, cell: str, when: str) -> float:
    parts = [run.gradients[when][-1] / max(run.gradients[when]) for run in facts.of(cell) if max(run.gradients[when])]
    return sum(parts) / len(parts) if parts else math.nan


def text_sentences(text: Sequence[TextCell]) -> list[str]:
    """Says which cell has the best loss with equal weights and in equal time, and whether seeds could explain it."""
    return [
        "With equal weights and equal steps: " + _order({cell.cell: cell.nats for cell in text}),
        "With equal weights and equal time: " + _order({cell.cell: cell.timed_nats for cell in text}),
    ]


def _order(values: Mapping[str, Spread]) -> str:
    ranked = sorted(values, key=lambda cell: values[cell].mean)
    listed = ", ".join(f"{cell.upper()} {values[cell].mean:.3f} ± {values[cell].deviation:.3f}" for cell in ranked)
    sentences = [f"{listed} nats per character (mean and deviation of {len(values[ranked[0]].values)} seeds)."]
    for better, worse in itertools.pairwise(ranked):
        gap = values[worse].mean - values[better].mean
        if values[better].largest >= values[worse].smallest:
            sentences.append(
                f"The seeds of {better.upper()} and {worse.upper()} overlap: their gap of {gap:.3f} says little."
            )
    if ranked[-1] == "rnn":
        sentences.append("That the RNN is last is what is usually found.")
    else:
        sentences.append(
            "It is not what the books say, where the RNN is last. A short training on a text in which little depends "
            "on what is far back rewards a cell that learns quickly, not one that remembers."
        )
    return " ".join(sentences)


def gradient_sentences(text: Sequence[TextCell]) -> list[str]:
    """Says how much of the gradient is left some steps back, and which cell's vanishes first."""
    sentences = []
    for when in ("start", "end"):
        left = {cell.cell: _left(cell.gradient(when), _SEEN_LAG) for cell in text}
        known = {cell: part for cell, part in left.items() if math.isfinite(part)}
        if not known:
            continue
        listed = ", ".join(f"{cell.upper()} {_part(part)}" for cell, part in known.items())
        first = min(known, key=lambda cell: known[cell])
        words = f"At the {when}, of the gradient at the last step this much is left {_SEEN_LAG} steps back: {listed}."
        sentences.append(f"{words} It vanishes fastest in the {first.upper()}.")
        if first != "rnn" and when == "start":
            sentences.append(
                "The books say the RNN. But its orthogonal weights keep lengths at the start, while gates that are "
                "half open shrink what passes in every step: by sigmoid(1) = 0.73 for a forget bias of 1, by 0.5 for "
                f"an update gate that starts at 0. To the power of {_SEEN_LAG} these are {0.731**_SEEN_LAG:.0e} and "
                f"{0.5**_SEEN_LAG:.0e}. A gate can learn to stay open, given a reason to."
            )
        if first != "rnn" and when == "end":
            sentences.append(
                "It is not what the books say. The next character of this text depends mostly on the last few, and a "
                "gate learns to forget what is not needed. The problems with a known answer ask for what is far back."
            )
    return sentences


def _left(norms: Sequence[float], lag: int) -> float:
    return norms[lag] / norms[0] if len(norms) > lag and norms[0] > 0 else math.nan


def singular_value_sentences(text: Sequence[TextCell]) -> list[str]:
    """Says whether changes of the state shrink or grow on their way through time."""
    sentences = []
    for when in ("start", "end"):
        parts = []
        for cell in text:
            values = cell.singular_values(when)
            lag = max(each for each in values if each <= _SEEN_LAG)
            parts.append(f"{cell.cell.upper()} {_part(values[lag])}")
        sentences.append(f"Over {lag} steps, at the {when}: {', '.join(parts)}.")
    last = {cell.cell.upper(): cell.singular_values("end") for cell in text}
    grown = [cell for cell, values in last.items() if values[max(values)] > 1]
    sentences.append(
        f"Above 1 some change of the state grows on its way: after training in {', '.join(grown)}."
        if grown
        else "Below 1 every change of the state shrinks on its way: after training in all three."
    )
    return sentences


def effect_sentences(effect: Effect) -> list[str]:
    """Says what an experiment has shown."""
    if effect.name == "clipping":
        return [_clipping(variant, effect.clip_norm) for variant in effect.variants] + [_better(effect, by_loss=True)]
    return [
        ", ".join(f"{variant.label}: {_percent(variant.share.mean)} solved" for variant in effect.variants) + ".",
        _better(effect, by_loss=False),
    ]


def _clipping(variant: Variant, limit: float) -> str:
    above = sum(share_above(run.norms, limit) for run in variant.runs) / len(variant.runs)
    largest = max(norm if math.isfinite(norm) else math.inf for run in variant.runs for norm in run.norms)
    loss = sum(map(last_loss, variant.runs)) / len(variant.runs)
    return (
        f"{variant.label}: the norm was above {limit:g} in {_percent(above)} of the steps and at most {largest:.3g}; "
        f"the last loss is {loss:.3f}."
    )


def _better(effect: Effect, *, by_loss: bool) -> str:
    def value(variant: Variant) -> float:
        return sum(map(last_loss, variant.runs)) / len(variant.runs) if by_loss else -variant.share.mean

    ranked = sorted(effect.variants, key=value)
    best, worst = ranked[0], ranked[-1]
    if by_loss:
        overlap = max(map(last_loss, best.runs)) >= min(map(last_loss, worst.runs))
    else:
        overlap = best.share.smallest <= worst.share.largest
    if overlap:
        return "The seeds overlap: in this run it made no clear difference."
    return f'Best is "{best.label}", worst "{worst.label}", with every seed.'


def summary(comparison: Comparison) -> list[str]:
    """Returns a sentence or two on each part, for the terminal."""
    sentences = []
    for facts in comparison.memory:
        sentences.append(f"{facts.problem}: {' '.join(memory_sentences(facts)[:2])}")
    if comparison.text:
        sentences += text_sentences(comparison.text)
    sentences += [f"{effect.title}: {effect_sentences(effect)[-1]}" for effect in comparison.effects]
    return sentences


def spoken_lag(lags: Sequence[int]) -> int:
    """Returns 100 if it was measured, otherwise the longest lag."""
    return _FAR if _FAR in lags else max(lags)


def _percent(share: float) -> str:
    percent = 100 * share
    return f"{percent:.1f} %" if 0 < percent < 1 or 99 < percent < 100 else f"{percent:.0f} %"


def _part(value: float) -> str:
    if not math.isfinite(value):
        return "no number"
    return f"{value:.3f}" if value >= 0.001 or value == 0 else f"{value:.0e}"


def _range(steps: Sequence[int]) -> str:
    return f"{min(steps):,}" if min(steps) == max(steps) else f"{min(steps):,} to {max(steps):,}"
