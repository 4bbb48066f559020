"""The commands that make and measure models: preview, train-task, evaluate, export, verify."""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path

import click

from nlpseq import shell
from nlpseq.cli.main import fail, main, plain
from nlpseq.cli.stopping import end_interrupted
from nlpseq.errors import UserError
from nlpseq.quiet import say


@main.command()
@click.argument("task")
@click.option("--data", default="sample", show_default=True, metavar="SPEC", help="As for train-task.")
@click.option("--columns", default="", metavar="NAMES", help="Columns where the file does not name them.")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="One setting, such as data.labels=0=no.")
@click.option("--json", "json_object", is_flag=True, help="A JSON object.")
def preview(task: str, data: str, columns: str, overrides: tuple[str, ...], json_object: bool) -> None:
    """Show how data is read for TASK: columns, counts, labels, lengths, what is left out and why, first examples."""
    from nlpseq import config as configuration
    from nlpseq.pipeline.preview import preview as read
    from nlpseq.tasks import task_class

    config = configuration.from_toml(task_class(task).facts.config_type, None, overrides)
    for key, value in {"data.train": data, "data.columns": columns}.items():
        config = configuration.assign(config, key, value)
    summary = read(task, config)
    click.echo(json.dumps(summary.as_json(), ensure_ascii=False) if json_object else summary.page())


@main.command("train-task")
@click.argument("task")
@click.option("--data", metavar="SPEC", help="Training data: sample, tfds:NAME, FILE, or SOURCE,TARGET.")
@click.option("--valid", metavar="SPEC", help="Validation data; without it a part of the training data is split off.")
@click.option("--test", metavar="SPEC", help="Test data, evaluated once at the end.")
@click.option("--columns", metavar="NAMES", help="Columns where the file does not name them: label,text or text=body.")
@click.option("--config", "config_file", type=click.Path(path_type=Path), metavar="FILE", help="A TOML recipe.")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="One setting, such as model.units=128.")
@click.option("--output", type=click.Path(path_type=Path), metavar="DIR", help="[default: saved_models/TASK-DATA]")
@click.option("--resume", is_flag=True, help="Go on with the run in the output folder.")
@click.option("--overwrite", is_flag=True, help="Replace the model in the output folder.")
@click.option("--teacher", metavar="MODEL[,MODEL]", help="Learn as well what these models say of the texts.")
@click.option("--unlabelled", metavar="SPEC", help="Further texts, which the teachers label or translate.")
@click.option("--init-from", metavar="MODEL", help="Take over the weights of a model wherever they fit.")
@click.option("--epochs", type=click.IntRange(1), metavar="N", help="At most so many epochs.")
@click.option("--max-minutes", type=click.FloatRange(0), metavar="M", help="Fit the schedule into M minutes.")
@click.option("--seed", type=click.IntRange(0), metavar="N", help="Same seed, same machine, same model.")
@click.option("--show-config", is_flag=True, help="Print the complete configuration, with reasons, and stop.")
def train_task(
    task: str,
    data: str | None,
    valid: str | None,
    test: str | None,
    columns: str | None,
    config_file: Path | None,
    overrides: tuple[str, ...],
    output: Path | None,
    resume: bool,
    overwrite: bool,
    teacher: str | None,
    unlabelled: str | None,
    init_from: str | None,
    epochs: int | None,
    max_minutes: float | None,
    seed: int | None,
    show_config: bool,
) -> None:
    """Train a model for TASK: char-lm, sentiment or translation, or one that another package brings.

    Reads the data, trains, evaluates, and leaves a model folder with a model card. Without --data it trains on the
    bundled sample.
    """
    from nlpseq import config as configuration
    from nlpseq.tasks import task_class

    facts = task_class(task).facts
    options = {
        "data.train": data,
        "data.valid": valid,
        "data.test": test,
        "data.columns": columns,
        "training.teacher": teacher,
        "data.unlabelled": unlabelled,
        "training.init_from": init_from,
        "training.epochs": epochs,
        "training.max_minutes": max_minutes,
        "training.seed": seed,
    }
    given = {key: value for key, value in options.items() if value is not None}
    if resume and (given or overrides or config_file or overwrite):
        raise UserError("--resume goes on with the folder's own configuration: give it together with --output alone")
    if config_file is not None and (named := configuration.named_task(config_file)) not in (None, task):
        raise UserError(f"{config_file}: this configuration is for the task '{named}', not '{task}'")
    config = configuration.from_toml(facts.config_type, config_file, overrides)
    for key, value in given.items():
        config = configuration.assign(config, key, value)
    if show_config:
        click.echo(configuration.to_toml(config, task), nl=False)
        return

    from nlpseq.model_folder import resume_command
    from nlpseq.pipeline.card import shown_name
    from nlpseq.pipeline.train import Request, default_folder, train
    from nlpseq.training.display import display
    from nlpseq.training.trainer import DivergedError, Interrupted

    folder = output or default_folder(task, config.data.train)
    if config.data.train == "sample" and not resume:
        say(f"training on the bundled sample; for your own data: nlpseq train-task {task} --data {facts.card.own_data}")
    try:
        metrics = train(Request(task, config, folder, resume, overwrite), display())
    except Interrupted:
        end_interrupted(f"interrupted; go on with: {resume_command(task, folder)}")
    except DivergedError as error:
        fail(error, 1)
    for part in ("valid", "test"):
        for name, shown in plain(metrics.get(part, {})):
            click.echo(f"{part} {name}: {shown}")
    say("use it:")
    say(f"  {facts.card.usage.format(model=shell.quoted(shown_name(folder)))}")


@main.command()
@click.argument("model")
@click.option("--data", required=True, metavar="SPEC", help="What to evaluate on.")
@click.option("--columns", default="", metavar="NAMES", help="Columns where the file does not name them.")
@click.option("--robustness", is_flag=True, help="Also with typos, in capitals, with words to be copied, and the like.")
@click.option("--json", "json_object", is_flag=True, help="A JSON object.")
def evaluate(model: str, data: str, columns: str, robustness: bool, json_object: bool) -> None:
    """Measure MODEL on data with known answers: the Keras model of a folder, or else the exported file."""
    from nlpseq import model_folder
    from nlpseq.quiet import import_tensorflow

    found = model_folder.find(model)
    import_tensorflow()
    from nlpseq.pipeline import evaluate as evaluation
    from nlpseq.training.display import display

    result = evaluation.evaluate(found, data, columns, display(), robust=robustness)
    say(f"{result.model} of {found.name} on {result.data}")
    if json_object:
        click.echo(json.dumps(result.metrics, ensure_ascii=False))
        return
    for name, shown in plain(result.metrics):
        click.echo(f"{name}: {shown}")
    if confusion := result.metrics.get("confusion"):
        click.echo(_confusion(confusion, result.labels))
    if robustness:
        from nlpseq.report.plain_table import plain_table
        from nlpseq.report.robustness_table import robustness_tables

        for title, header, rows in robustness_tables(result.metrics["robustness"], result.known[0]):
            click.echo(f"\n{title}\n{plain_table([header], rows)}")


@main.command()
@click.argument("model")
@click.option(
    "--format",
    "form",
    type=click.Choice(["tflite", "saved-model"]),
    default="tflite",
    show_default=True,
    help="One file for devices, or a folder for TensorFlow and TF Serving.",
)
@click.option(
    "--quantize",
    type=click.Choice(["none", "float16", "int8"]),
    help="Bits of the weights in a .tflite: 32, 16 or 8.  [default: int8]",
)
@click.option("--output", type=click.Path(path_type=Path), metavar="PATH", help="[default: in the model's folder]")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="How it decodes, such as decoding.beam=2.")
@click.option("--tolerance", type=click.FloatRange(0), metavar="X", help="How much of its metric the file may lose.")
@click.option("--examples", type=click.IntRange(1), metavar="N", help="To prove it by.  [default: all]")
def export(
    model: str,
    form: str,
    quantize: str | None,
    output: Path | None,
    overrides: tuple[str, ...],
    tolerance: float | None,
    examples: int | None,
) -> None:
    """Write MODEL as one file, text in and text out, that proves itself against the Keras model.

    The data that the model was trained on must be there: the file is measured on its validation part.
    """
    from nlpseq import model_folder

    found = model_folder.find(model)
    found.required_keras_file()
    target = output or found.path / (model_folder.EXPORTED_FILE if form == "tflite" else model_folder.SAVED_MODEL)
    only_tflite = {"--quantize": quantize, "--tolerance": tolerance, "--examples": examples}
    if form == "saved-model" and (given := [name for name, value in only_tflite.items() if value is not None]):
        raise UserError(f"{given[0]} is for a .tflite; a SavedModel has weights of 32 bits and no proof: leave it out")
    if form == "tflite" and target.is_dir():
        raise UserError(f"{target}: this is a folder: give a file's name with --output")
    from nlpseq import folder_lock
    from nlpseq.quiet import import_tensorflow

    import_tensorflow()
    from nlpseq.export import saved_model
    from nlpseq.export.inspection import ExportError
    from nlpseq.pipeline.export import export_tflite, note_export
    from nlpseq.pipeline.loading import load_trained, with_decoding
    from nlpseq.training.display import display

    with contextlib.ExitStack() as stack:
        if output is None or (target.parent / model_folder.CONFIG).is_file():
            doing = shell.command("nlpseq", "export", found.path)
            stack.enter_context(folder_lock.held(target.parent, doing))
        if form == "saved-model":
            saved_model.check_place(target)
        trained = with_decoding(load_trained(found), overrides)
        if form == "saved-model":
            saved_model.write(trained.program(), target)
            click.echo(f"{target}")
            return
        try:
            proof = export_tflite(
                trained, target, quantize or "int8", display(), tolerance=tolerance, most_questions=examples
            )
        except ExportError as error:
            fail(f"not exported: {error}", 1)
        if output is None:
            note_export(trained, found.path, proof)
    quality = ", ".join(f"{kind} {value:.4f}" for kind, value in proof["quality"].items())
    say(f"{proof['metric']} on {proof['examples']:,} questions of the validation part: {quality}")
    for kind, differences in proof["differences_from_keras"].items():
        say(f"{kind} against Keras: " + ", ".join(f"{name} {value:.4g}" for name, value in differences.items()))
    calls = ", ".join(f"{name} {value:.2f} ms" for name, value in proof["milliseconds"].items())
    say(f"{target.stat().st_size / 1e6:.2f} MB, {proof['peak_memory_bytes'] / 1e6:.0f} MB of memory, {calls}")
    click.echo(f"{target}")


@main.command()
@click.argument("model")
def verify(model: str) -> None:
    """Replay the examples that are stored in an exported MODEL, and compare."""
    from nlpseq import model_folder
    from nlpseq.runtime.litert import ExportedFile
    from nlpseq.runtime.replay import replay
    from nlpseq.runtime.results import one_line

    found = model_folder.find(model)
    if found.exported_file is None:
        raise UserError(
            f"'{found.name}' has no exported file: {shell.command('nlpseq', 'export', found.path)} makes it"
        )
    results = []
    for result in replay(ExportedFile(found.exported_file)):
        click.echo(f"{'FAIL' if result.differences else 'ok  '} {one_line(result.example)}")
        for difference in result.differences:
            click.echo(f"     {one_line(difference)}")
        results.append(result)
    failed = sum(bool(result.differences) for result in results)
    click.echo(f"{len(results) - failed} of {len(results)} examples give the stored answers")
    sys.exit(1 if failed else 0)


def _confusion(confusion: list[list[int]], labels: tuple[str, ...]) -> str:
    width = max(len(label) for label in (*labels, "true \\ predicted")) + 2
    rows = ["true \\ predicted".ljust(width) + "".join(label.rjust(width) for label in labels)]
    rows += [
        label.ljust(width) + "".join(str(count).rjust(width) for count in counts)
        for label, counts in zip(labels, confusion, strict=True)
    ]
    return "\n".join(rows)
