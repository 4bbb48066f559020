"""What a setting is worth: one recipe trained with variants and seeds, and a table of what came out.

Every run has a folder of its own. A finished one is not trained again, and one that was stopped goes on: so a table of
many hours can be made in parts.
"""

from __future__ import annotations

import json
import shlex
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nlpseq.model_folder import CARD, CONFIG, METRICS

_NLPSEQ = (sys.executable, "-c", "from nlpseq.cli import main; main()")


@dataclass(frozen=True)
class Variant:
    """A name, and the settings in which it differs from the recipe."""

    name: str
    settings: tuple[str, ...]


def variants(lines: Sequence[str]) -> list[Variant]:
    """Reads lines such as ``weight drop: model.weight_drop=0.3``; blank ones and those with # in front are left out.

    Settings are separated as arguments are in a shell.

    Raises:
        ValueError: a line has no name, or a name comes twice.
    """
    found: list[Variant] = []
    for line in lines:
        if not line.strip() or line.startswith("#"):
            continue
        name, colon, settings = line.partition(":")
        if not (colon and name.strip()) or name.strip() in {variant.name for variant in found}:
            raise ValueError(f"'{line.strip()}': give each variant a name of its own, and its settings behind a colon")
        found.append(Variant(name.strip(), tuple(shlex.split(settings))))
    return found


def run(
    task: str, config: Path, chosen: Sequence[Variant], seeds: Sequence[int], folder: Path, common: Sequence[str]
) -> None:
    """Trains what is not there yet, seed by seed, so that a run that is cut short has compared all variants.

    Args:
        task: of the recipe.
        config: the recipe.
        chosen: the variants.
        seeds: of each.
        folder: gets a folder for each run.
        common: settings of all.
    """
    for seed in seeds:
        for variant in chosen:
            place = _place(folder, variant, seed)
            if (place / CARD).exists():
                continue
            options = ["--resume"]
            if not (place / CONFIG).exists():
                settings = [f"training.seed={seed}", "training.export=false", *common, *variant.settings]
                options = ["--config", str(config), *(part for each in settings for part in ("--set", each))]
            print(f"{variant.name}, seed {seed}", file=sys.stderr, flush=True)
            command = [*_NLPSEQ, "train-task", task, "--output", str(place), *options]
            if code := subprocess.run(command, check=False).returncode:
                raise SystemExit(code)


def results(chosen: Sequence[Variant], seeds: Sequence[int], folder: Path) -> dict[str, list[dict[str, Any]]]:
    """For each variant the ``metrics.json`` of its finished runs."""
    places = {variant.name: [_place(folder, variant, seed) for seed in seeds] for variant in chosen}
    return {
        name: [json.loads((place / METRICS).read_text()) for place in several if (place / CARD).exists()]
        for name, several in places.items()
    }


def table(found: Mapping[str, Sequence[Mapping[str, Any]]], keys: Sequence[str], part: str = "valid") -> str:
    """A Markdown table: of each variant its runs, mean and spread of the metrics, the mean's gain, minutes, weights.

    The spread is from the lowest seed to the highest. The gain is against the first variant, of the first metric.
    """
    heads = ["variant", "seeds", *keys, "gain", "minutes", "weights"]
    rows = [heads, ["---"] * len(heads)]
    first: float | None = None
    for name, runs in found.items():
        if not runs:
            continue
        means = {key: statistics.fmean(run[part][key] for run in runs) for key in keys}
        shown = [_with_spread(means[key], [run[part][key] for run in runs]) for key in keys]
        first = means[keys[0]] if first is None else first
        training = [run["training"] for run in runs]
        minutes = statistics.fmean(each["minutes"] for each in training)
        gain = f"{means[keys[0]] - first:+.2f}"
        rows.append([name, str(len(runs)), *shown, gain, f"{minutes:.1f}", f"{training[0]['parameters']:,}"])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _with_spread(mean: float, values: Sequence[float]) -> str:
    return f"{mean:.2f}" + (f" ({min(values):.2f} to {max(values):.2f})" if len(values) > 1 else "")


def _place(folder: Path, variant: Variant, seed: int) -> Path:
    return folder / f"{'-'.join(variant.name.split())}-{seed}"
