"""What ``nlpseq inspect`` shows of a model that has read a text: a summary, and a page with heat maps."""

from __future__ import annotations

import html
import statistics
from collections.abc import Sequence

from nlpseq.report.html_page import Block, heading, paragraph, picture, section, whole_page
from nlpseq.report.plain_table import plain_table
from nlpseq.report.state_facts import Followed, LayerStates, Reading, by_chance
from nlpseq.report.state_pictures import state_picture

_EACH = 2  # units of a landmark that are shown over the text
_EXTREMES = 3  # pieces at which a gate is named
_RED, _BLUE = "178,24,43", "33,102,172"
_HEADER = ["layer", "landmark", "unit", "correlation"]


def reading_summary(reading: Reading) -> str:
    """Returns the units that follow each landmark most closely, and what gates do, as plain text."""
    rows = [
        [layer.name, each.landmark, str(each.unit), f"{each.correlation:+.2f}"]
        for layer in reading.layers
        for each in closest(layer, 1)
    ]
    parts = [plain_table([_HEADER], rows)] if rows else []
    parts += [sentence for layer in reading.layers for sentence in layer_sentences(reading, layer)]
    return "\n".join(parts)


def reading_page(reading: Reading, units: int) -> str:
    """Returns a page that needs no other file: for each layer heat maps, and the text in the colors of some units.

    Args:
        reading: a model and a text.
        units: how many each heat map shows.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    blocks: list[Block] = [
        paragraph(
            "Red is near 1, blue near -1, of a gate black near 1. Units are sorted by what their state follows, which "
            f"was measured on {reading.measured_on:,} pieces of text."
        )
    ]
    for layer in reading.layers:
        blocks.append(section(f"{layer.name[0].upper()}{layer.name[1:]} ({layer.cell.upper()})"))
        blocks += map(paragraph, layer_sentences(reading, layer))
        blocks.append(picture(state_picture(reading, layer, units), f"gates and states of {layer.name}"))
        for each in closest(layer, _EACH):
            blocks.append(heading(f"Unit {each.unit}: {each.landmark} ({each.correlation:+.2f})"))
            blocks.append(_colored(reading.pieces, layer, each.unit))
    return whole_page(f"{reading.model} reads", blocks)


def layer_sentences(reading: Reading, layer: LayerStates) -> list[str]:
    """Says how open the gates of a layer are, where they close or open, and whether its units follow anything."""
    sentences = []
    for name, values in layer.gates.items():
        at_pieces: dict[str, list[float]] = {}
        for piece, openness in zip(reading.pieces, values.mean(axis=1), strict=True):
            at_pieces.setdefault(piece, []).append(float(openness))
        order = sorted(at_pieces, key=lambda piece: statistics.fmean(at_pieces[piece]))
        lowest, highest = (", ".join(map(_quoted, some)) for some in (order[:_EXTREMES], order[: -_EXTREMES - 1 : -1]))
        sentences.append(
            f"{layer.name}: the {name} is open by {values.mean():.2f} on average; most open at {highest}, least at "
            f"{lowest}."
        )
    chance = by_chance(reading.measured_on, layer.memory.shape[1])
    beyond = [each.landmark for each in closest(layer, 1) if abs(each.correlation) > chance]
    if beyond:
        sentences.append(f"{layer.name}: closer than by chance ({chance:.2f}), a unit follows: {', '.join(beyond)}.")
    else:
        sentences.append(
            f"{layer.name}: no unit follows anything more closely than by chance ({chance:.2f}); the longer the "
            "text that it is measured on (--follow FILE), the less chance can do."
        )
    return sentences


def closest(layer: LayerStates, count: int) -> list[Followed]:
    """Returns for each landmark the units that follow it most closely."""
    return [each for of_landmark in layer.followed.values() for each in of_landmark[:count]]


def _colored(pieces: Sequence[str], layer: LayerStates, unit: int) -> Block:
    """The text, each piece in the color of the unit's state; its gates are told when the mouse is over it."""
    spans = []
    for at, piece in enumerate(pieces):
        value = float(layer.memory[at, unit])
        told = ", ".join([f"{value:+.2f}", *(f"{name} {gate[at, unit]:.2f}" for name, gate in layer.gates.items())])
        color = f"rgba({_RED if value > 0 else _BLUE},{abs(value):.2f})"
        shown = html.escape(piece.replace("▁", " ").replace("\n", "↵\n"))
        spans.append(f'<span title="{told}" style="background:{color}">{shown}</span>')
    return f'<pre style="white-space:pre-wrap">{"".join(spans)}</pre>'


def _quoted(piece: str) -> str:
    return "'" + piece.replace("▁", " ").replace("\n", "↵") + "'"
