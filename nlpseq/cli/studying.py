"""The commands that show how recurrent networks work: compare, inspect."""

from __future__ import annotations

import json
from pathlib import Path

import click

from nlpseq import shell
from nlpseq.cli.main import main
from nlpseq.errors import UserError
from nlpseq.quiet import say

_PARTS = ("memory", "text", "effects")


@main.command()
@click.option("--data", default="sample", show_default=True, metavar="SPEC", help="A text.")
@click.option(
    "--minutes",
    type=click.FloatRange(0, min_open=True),
    default=10.0,
    show_default=True,
    help="Fit the training into so many minutes of two cores.",
)
@click.option("--seeds", type=click.IntRange(1, 9), default=3, show_default=True, help="Runs of everything.")
@click.option("--part", "parts", multiple=True, type=click.Choice(_PARTS), help="Only this part.  [default: all three]")
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    default=Path("comparison.html"),
    show_default=True,
    metavar="FILE",
    help="The report.",
)
@click.option("--json", "json_object", is_flag=True, help="A JSON object.")
def compare(data: str, minutes: float, seeds: int, parts: tuple[str, ...], output: Path, json_object: bool) -> None:
    """Train RNN, LSTM and GRU side by side, and write a report: memory, loss, gradients, and what single changes do."""
    if output.is_dir():
        raise UserError(f"{output}: this is a folder: give a file's name with --output")
    from nlpseq.quiet import import_tensorflow
    from nlpseq.report.figures import require_matplotlib

    require_matplotlib()
    import_tensorflow()
    from nlpseq.atomic_files import write_text
    from nlpseq.pipeline.compare import compare_cells, planned
    from nlpseq.report.comparison_page import comparison_page, comparison_summary
    from nlpseq.training.display import display

    plan = planned(data, minutes=minutes, seeds=seeds, parts=parts or _PARTS)
    comparison = compare_cells(plan, display())
    options = [word for part in parts for word in ("--part", part)]
    made_by = shell.command(
        "nlpseq", "compare", "--data", data, "--minutes", f"{minutes:g}", "--seeds", str(seeds), *options
    )
    write_text(output, comparison_page(comparison, made_by, plan.text.rows * plan.text.length))
    click.echo(json.dumps(comparison.as_json()) if json_object else comparison_summary(comparison))
    say(f"report: {output}")


@main.command("inspect")
@click.argument("model")
@click.argument("text")
@click.option(
    "--follow", type=click.Path(path_type=Path), metavar="FILE", help="A longer text to find what units follow."
)
@click.option("--units", type=click.IntRange(1, 200), default=24, show_default=True, help="Shown of each layer.")
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    default=Path("inspection.html"),
    show_default=True,
    metavar="FILE",
    help="A page (.html), or a picture of the last layer (.png).",
)
def inspect_model(model: str, text: str, follow: Path | None, units: int, output: Path) -> None:
    """Show gates and states of MODEL while it reads TEXT, its units sorted by what they follow.

    MODEL is a folder with the model of the training: an exported file has no states to look at.
    """
    from nlpseq import model_folder
    from nlpseq.quiet import import_tensorflow
    from nlpseq.report.figures import require_matplotlib

    if output.suffix not in (".html", ".png") or output.is_dir():
        raise UserError(f"--output {output}: give the name of a file that ends in .html or .png")
    found = model_folder.find(model)
    found.required_keras_file()
    longer = follow.read_text(encoding="utf-8-sig", errors="replace") if follow is not None else ""
    require_matplotlib()
    import_tensorflow()
    from nlpseq.atomic_files import write_bytes, write_text
    from nlpseq.pipeline.loading import load_trained
    from nlpseq.pipeline.state_reading import read_states
    from nlpseq.report.state_page import reading_page, reading_summary
    from nlpseq.report.state_pictures import state_picture

    reading = read_states(load_trained(found), text, longer)
    if output.suffix == ".png":
        write_bytes(output, state_picture(reading, reading.layers[-1], units))
    else:
        write_text(output, reading_page(reading, units))
    click.echo(reading_summary(reading))
    say(f"{'picture' if output.suffix == '.png' else 'page'}: {output}")
