"""The commands that tell what there is: models, info, doctor."""

from __future__ import annotations

import json
import sys
from typing import Any

import click

from nlpseq.cli.main import main
from nlpseq.errors import UserError
from nlpseq.quiet import say


@main.command("models")
def list_models() -> None:
    """List the models here and the shipped ones."""
    from nlpseq import model_folder

    rows = [
        (found.name, found.task, "shipped" if found.shipped else str(found.path), _headline(found.metrics()))
        for found in model_folder.models()
    ]
    if not rows:
        say("no model here yet: nlpseq train-task char-lm, sentiment or translation makes one")
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(4)]
    for row in rows:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


@main.command()
@click.argument("model")
@click.option("--json", "json_object", is_flag=True, help="A JSON object.")
def info(model: str, json_object: bool) -> None:
    """Show what MODEL is and how good."""
    from nlpseq import model_folder

    found = model_folder.find(model)
    metadata = found.metadata()
    if json_object:
        facts = {"name": found.name, "task": found.task, "folder": str(found.path), "metrics": found.metrics()}
        if metadata:
            facts["exported"] = metadata.summary()
        click.echo(json.dumps(facts, ensure_ascii=False))
        return
    card = found.path / model_folder.CARD
    if card.is_file():
        top = card.read_text(encoding="utf-8").split("\n## ")[0]
        click.echo(f"{top.rstrip()}\n\nThe whole card: {card}")
    elif metadata:
        for name, value in metadata.summary().items():
            click.echo(f"{name}: {value if isinstance(value, str | int) else json.dumps(value, ensure_ascii=False)}")
    else:
        raise UserError(f"{found.path}: the model card is missing: copy the folder again")


@main.command()
def doctor() -> None:
    """Check what this machine has, and say how to mend what is missing."""
    from nlpseq.diagnosis import diagnose

    healthy = True
    for check in diagnose():
        healthy &= check.fine
        click.echo(f"{'ok  ' if check.fine else 'FAIL'} {check.what}: {check.found}")
        if not check.fine:
            click.echo(f"     {check.advice}")
    sys.exit(0 if healthy else 1)


def _headline(metrics: dict[str, Any]) -> str:
    """The first thing that was measured on the test part, or else on the validation part."""
    part = next((part for part in ("test", "valid") if metrics.get(part)), "")
    name, value = next(((name, value) for name, value in metrics.get(part, {}).items()), ("", None))
    return f"{part} {name} {value:.4g}" if isinstance(value, int | float) else ""
