"""Draws docs/architecture.png from the imports as they are: python docs/draw_imports.py"""

from __future__ import annotations

import tomllib
from pathlib import Path

import grimp
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

ROOT = Path(__file__).parent.parent
PICTURE = ROOT / "docs" / "architecture.png"
# What nearly everything imports would hide the rest.
LEFT_OUT = {
    "errors", "version", "quiet", "atomic_files", "cores", "saved_models", "diagnosis", "line_io", "shell",
    "folder_lock",
}  # fmt: skip


def rows() -> list[list[str]]:
    """The layers of the linter's contract, from top to bottom."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    layers = contracts["contracts"][0]["layers"]
    named = [layer.replace("|", ":").replace(" ", "").split(":") for layer in layers]
    kept = [[name for name in row if name not in LEFT_OUT] for row in named]
    return [row for row in kept if row]


def imports(names: list[str]) -> dict[tuple[str, str], int]:
    """How many modules of one import how many of another."""
    graph = grimp.build_graph("nlpseq")

    def owner(module: str) -> str:
        return module.split(".")[1] if "." in module else ""

    counts: dict[tuple[str, str], int] = {}
    for importer in graph.modules:
        for imported in graph.find_modules_directly_imported_by(importer):
            pair = owner(importer), owner(imported)
            if pair[0] != pair[1] and set(pair) <= set(names):
                counts[pair] = counts.get(pair, 0) + 1
    return counts


def draw() -> None:
    layers = rows()
    places = {
        # Rows lie apart sideways: otherwise arrows between rows of one would cover each other.
        name: ((column + 0.5) * 10 / len(row) + (1.3, -1.3, 0.4, -0.4)[level % 4], -1.25 * level)
        for level, row in enumerate(layers)
        for column, name in enumerate(row)
    }
    figure = Figure(figsize=(11, 0.95 * len(layers) + 0.6), dpi=80, facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0.2, 10.6), ylim=(-1.25 * len(layers) + 0.5, 0.7))
    axes.axis("off")
    for (importer, imported), count in sorted(imports(list(places)).items()):
        (x, y), (to_x, to_y) = places[importer], places[imported]
        axes.annotate(
            "",
            (to_x, to_y + 0.24),
            (x, y - 0.24),
            arrowprops={
                "arrowstyle": "-|>",
                "color": "#0072B2",
                "alpha": 0.45,
                "linewidth": 0.5 + 0.25 * min(count, 10),
                "connectionstyle": "arc3,rad=0.06",
                "shrinkA": 0,
                "shrinkB": 0,
            },
        )
    for name, (x, y) in places.items():
        axes.text(
            x, y, name, ha="center", va="center", fontsize=11, zorder=3,
            bbox={"boxstyle": "round,pad=0.45", "facecolor": "#f4f4f4", "edgecolor": "#666666"},
        )  # fmt: skip
    figure.savefig(PICTURE, metadata={"Software": None})


if __name__ == "__main__":
    draw()
