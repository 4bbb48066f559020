"""The command line. Bodies import what they need, so that ``--help`` and using a model stay quick."""

from __future__ import annotations

import functools
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO, Any

import click

from nlpseq.errors import MachineError, UserError, full_disk
from nlpseq.quiet import audible_stderr
from nlpseq.version import __version__

_MOST_CHARACTERS = 100_000  # in one line; more is a file in the wrong form
_MOST_BYTES = 4 * _MOST_CHARACTERS + 5  # UTF-8, with a byte order mark and an end of line
_INTERRUPTED = 130
_JOBS_HELP = "Threads; 0: all cores. With 1, a line is answered before the next is read."


class _Group(click.Group):
    """Turns every error that a person can do something about into one message and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            with full_disk("make space, then try again"):
                return super().invoke(ctx)
        except UserError as error:
            _fail(error, 2)
        except MachineError as error:
            _fail(error, 1)
        except BrokenPipeError:
            # Whoever read our output has seen enough. Python would complain about stdout while it exits.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(0)
        except KeyboardInterrupt:
            _say("\ninterrupted")
            sys.exit(_INTERRUPTED)
        except OSError as error:
            if isinstance(error, PermissionError | IsADirectoryError | NotADirectoryError | FileNotFoundError):
                _fail(f"{error.filename}: {error.strerror}", 2)
            raise


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="nlpseq")
def main() -> None:
    """Train small LSTM and GRU text models on your own data, and use them: text in, text out."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")


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
    init_from: str | None,
    epochs: int | None,
    max_minutes: float | None,
    seed: int | None,
    show_config: bool,
) -> None:
    """Train a model for TASK: char-lm, sentiment or translation.

    Reads the data, trains, evaluates, and leaves a model folder with a model card. Without --data it trains on the
    bundled sample.
    """
    from nlpseq import config as configuration
    from nlpseq.tasks import task_class

    task_type = task_class(task)
    options = {
        "data.train": data,
        "data.valid": valid,
        "data.test": test,
        "data.columns": columns,
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
    config = configuration.from_toml(task_type.config_type, config_file, overrides)
    for key, value in given.items():
        configuration.assign(config, key, value)
    if show_config:
        click.echo(configuration.to_toml(config, task), nl=False)
        return

    from nlpseq.training.progress import display
    from nlpseq.training.run import Request, default_folder, train
    from nlpseq.training.trainer import DivergedError, Interrupted

    folder = output or default_folder(task, config.data.train)
    if config.data.train == "sample" and not resume:
        click.echo(
            f"training on the bundled sample; for your own data: nlpseq train-task {task} --data {task_type.own_data}",
            err=True,
        )
    try:
        metrics = train(Request(task, config, folder, resume, overwrite), display())
    except Interrupted:
        _note_resume(task, folder)
        sys.exit(_INTERRUPTED)
    except KeyboardInterrupt:
        if (folder / "config.toml").exists() and not (folder / "model.keras").exists():
            _note_resume(task, folder)
            sys.exit(_INTERRUPTED)
        raise
    except DivergedError as error:
        _fail(error, 1)
    for part in ("valid", "test"):
        for name, value in _plain(metrics.get(part, {})):
            click.echo(f"{part} {name}: {value}")
    click.echo("use it:", err=True)
    click.echo(f"  {task_type.usage(str(folder))}", err=True)


@main.command()
@click.argument("texts", nargs=-1, metavar="[TEXT]...")
@click.option("--model", metavar="MODEL", help="A name, a folder or an exported file.")
@click.option("--from", "source", metavar="LANG", help="Choose the model by languages: --from en --to fr.")
@click.option("--to", "target", metavar="LANG")
@click.option("--beam", type=click.IntRange(1, 64), help="Hypotheses kept; 1 is greedy.  [default: the model's own]")
@click.option("--n-best", type=click.IntRange(1, 64), default=1, show_default=True, help="Translations a text.")
@click.option("--jobs", type=click.IntRange(0), default=1, show_default=True, help=_JOBS_HELP)
@click.option("--input", "input_file", type=click.Path(path_type=Path), metavar="FILE", help="Lines to translate.")
@click.option("--output", type=click.Path(path_type=Path), metavar="FILE", help="Where results go.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a text, with pieces and alignment.")
def translate(
    texts: tuple[str, ...],
    model: str | None,
    source: str | None,
    target: str | None,
    beam: int | None,
    n_best: int,
    jobs: int,
    input_file: Path | None,
    output: Path | None,
    as_json: bool,
) -> None:
    """Translate texts, or the lines of a file or of standard input."""
    if (source is None) != (target is None):
        raise UserError("--from and --to go together, such as --from en --to fr")
    languages = (source, target) if source and target else None
    with _lines(texts, input_file) as lines, _writer(output) as write:
        from nlpseq.runtime import models

        translator, options = models.load_translator(_find(model, "translation", languages), beam, n_best)

        def best(text: str) -> list[Any]:
            return (
                [translator.translate(text, **options)]
                if n_best == 1
                else translator.n_best(text, n_best=n_best, **options)
            )

        with _answers(translator, best, lines, jobs) as answers:
            for text, results in answers:
                if results is None:
                    write("" if not as_json else json.dumps({"text": "", "source": text}))
                for result in results or ():
                    line = _one_line(result.text) if n_best == 1 else f"{result.score:.3f}\t{_one_line(result.text)}"
                    write(_json(result) if as_json else line)


@main.command()
@click.argument("texts", nargs=-1, metavar="[TEXT]...")
@click.option("--model", metavar="MODEL", help="A name, a folder or an exported file.")
@click.option("--input", "input_file", type=click.Path(path_type=Path), metavar="FILE", help="Lines to classify.")
@click.option("--jobs", type=click.IntRange(0), default=1, show_default=True, help=_JOBS_HELP)
@click.option("--output", type=click.Path(path_type=Path), metavar="FILE", help="Where results go.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a text, with probabilities and relevance.")
def classify(
    texts: tuple[str, ...], model: str | None, input_file: Path | None, jobs: int, output: Path | None, as_json: bool
) -> None:
    """Label texts, or the lines of a file or of standard input."""
    with _lines(texts, input_file) as lines, _writer(output) as write:
        from nlpseq.runtime import models

        classifier = models.load_model(_find(model, "sentiment"))
        told = False
        with _answers(classifier, classifier.classify, lines, jobs) as answers:
            for text, result in answers:
                if result is None:
                    write("" if not as_json else json.dumps({"label": "", "source": text}))
                    continue
                if result.cut and not told:
                    _say("a text is longer than the model reads: its begin and its end were classified")
                    told = True
                write(_json(result) if as_json else f"{result.label}\t{result.probabilities[result.label]:.3f}")


@main.command()
@click.argument("prompt", default="")
@click.option("--model", metavar="MODEL", help="A name, a folder or an exported file.")
@click.option("--length", type=click.IntRange(0), default=200, show_default=True, help="Characters to write.")
@click.option("--temperature", type=click.FloatRange(0), default=0.8, show_default=True, help="0: most probable.")
@click.option("--top-k", type=click.IntRange(0), default=0, show_default=True, help="Draw among so many; 0: all.")
@click.option("--top-p", type=click.FloatRange(0, 1, min_open=True), default=1.0, show_default=True)
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), help="Same seed, same text.  [default: drawn, and told]")
@click.option("--json", "as_json", is_flag=True, help="A JSON object.")
def generate(
    prompt: str,
    model: str | None,
    length: int,
    temperature: float,
    top_k: int,
    top_p: float,
    seed: int | None,
    as_json: bool,
) -> None:
    """Write text that goes on from PROMPT."""
    from nlpseq.runtime import models

    generator = models.load_model(_find(model, "char-lm"))
    if seed is None:
        import secrets

        seed = secrets.randbelow(100_000)
        click.echo(f"seed {seed}", err=True)
    result = generator.generate(prompt, length=length, temperature=temperature, top_k=top_k, top_p=top_p, seed=seed)
    click.echo(_json(result) if as_json else result.text)


@main.command()
@click.argument("model")
@click.option("--data", required=True, metavar="SPEC", help="What to evaluate on.")
@click.option("--columns", metavar="NAMES", help="Columns where the file does not name them.")
@click.option("--json", "as_json", is_flag=True, help="A JSON object.")
def evaluate(model: str, data: str, columns: str | None, as_json: bool) -> None:
    """Measure MODEL on data with known answers: the Keras model of a folder, or else the exported file."""
    from nlpseq.runtime import models
    from nlpseq.runtime.streaming import ordered_map

    found = models.find(model)
    if found.keras_file is not None:
        task, network, vocabulary = models.load_parts(found)
        labels = vocabulary.labels
    else:
        task, labels = models.task_of(found), found.exported().metadata.labels
    task.config.data.columns = columns or ""
    task.config.data.test = data
    examples = list(task.examples("test"))
    if found.keras_file is not None:
        metrics = task.evaluate(network, vocabulary, examples, final=True)
    else:
        exported, questions = models.load_model(found), task.questions(examples)
        answers = list(ordered_map(functools.partial(task.file_answer, exported), questions, _cores()))
        metrics = task.measure(answers, labels, examples, complete=True)
    if as_json:
        click.echo(json.dumps(metrics, ensure_ascii=False))
        return
    for name, value in _plain(metrics):
        click.echo(f"{name}: {value}")
    if "confusion" in metrics:
        click.echo(_confusion(metrics["confusion"], labels))


@main.command("models")
def list_models() -> None:
    """List the models here and the shipped ones."""
    from nlpseq.runtime import models

    rows = [
        (folder.name, folder.task, "shipped" if folder.shipped else str(folder.path), _headline(folder.metrics()))
        for folder in models.models()
    ]
    if not rows:
        click.echo("no model here yet: nlpseq train-task char-lm, sentiment or translation makes one", err=True)
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(4)]
    for row in rows:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


@main.command()
@click.argument("model")
@click.option("--json", "as_json", is_flag=True, help="A JSON object.")
def info(model: str, as_json: bool) -> None:
    """Show what MODEL is and how good."""
    from nlpseq.runtime import models

    found = models.find(model)
    if as_json:
        facts = {"name": found.name, "task": found.task, "folder": str(found.path), "metrics": found.metrics()}
        if found.exported_file:
            facts["exported"] = found.exported().metadata.summary()
        click.echo(json.dumps(facts, ensure_ascii=False))
        return
    card = found.path / "MODEL_CARD.md"
    if card.is_file():
        top = card.read_text(encoding="utf-8").split("\n## ")[0]
        click.echo(f"{top.rstrip()}\n\nThe whole card: {card}")
    elif found.exported_file:
        for name, value in found.exported().metadata.summary().items():
            click.echo(f"{name}: {value if isinstance(value, str | int) else json.dumps(value, ensure_ascii=False)}")
    else:
        raise UserError(f"{found.path}: the model card is missing: nlpseq train-task … --resume writes it")


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
    default="int8",
    show_default=True,
    help="Bits of the weights in a .tflite: 32, 16 or 8.",
)
@click.option("--output", type=click.Path(path_type=Path), metavar="PATH", help="[default: in the model's folder]")
@click.option("--beam", type=click.IntRange(1, 64), metavar="N", help="Of a translation model's search.  [default: 4]")
@click.option("--tolerance", type=click.FloatRange(0), metavar="X", help="How much of its metric the file may lose.")
@click.option("--examples", type=click.IntRange(1), metavar="N", help="To prove it by.  [default: all]")
def export(
    model: str,
    form: str,
    quantize: str,
    output: Path | None,
    beam: int | None,
    tolerance: float | None,
    examples: int | None,
) -> None:
    """Write MODEL as one file, text in and text out, that proves itself against the Keras model.

    The data that the model was trained on must be there: the file is measured on its validation part.
    """
    from nlpseq.runtime import models

    found = models.find_trained(model)
    target = output or found.path / ("model.tflite" if form == "tflite" else "saved_model")
    if form == "tflite" and target.is_dir():
        raise UserError(f"{target}: this is a folder: give a file's name with --output")
    if form == "saved-model" and (target.is_file() or (target.is_dir() and _holds_something_else(target))):
        raise UserError(f"{target}: something else stands there: choose another folder with --output")
    from nlpseq.quiet import import_tensorflow

    import_tensorflow()
    from nlpseq.export.inspection import ExportError
    from nlpseq.export.run import Trained, export_saved_model, export_tflite, note_export

    trained = Trained(found.name, *models.load_parts(found))
    if beam is not None and trained.task.name != "translation":
        raise UserError(f"--beam is for translation; '{found.name}' is a {trained.task.name} model")

    def say(line: str) -> None:
        click.echo(line, err=True)

    if form == "saved-model":
        export_saved_model(trained, target, beam=beam)
        click.echo(f"{target}")
        return
    try:
        proof = export_tflite(
            trained, target, quantize, say, beam=beam, tolerance=tolerance, most_examples=examples, jobs=_cores()
        )
    except ExportError as error:
        _fail(f"not exported: {error}", 1)
    if output is None:
        note_export(trained, found.path, proof)
    quality = ", ".join(f"{kind} {value:.4f}" for kind, value in proof["quality"].items())
    say(f"{proof['metric']} on {proof['examples']:,} validation examples: {quality}")
    for kind, differences in proof["differences_from_keras"].items():
        say(f"{kind} against Keras: " + ", ".join(f"{name} {value:.4g}" for name, value in differences.items()))
    calls = ", ".join(f"{name} {value:.2f} ms" for name, value in proof["milliseconds"].items())
    say(f"{target.stat().st_size / 1e6:.2f} MB, {proof['peak_memory_bytes'] / 1e6:.0f} MB of memory, {calls}")
    click.echo(f"{target}")


@main.command()
@click.argument("model")
def verify(model: str) -> None:
    """Replay the examples that are stored in an exported MODEL, and compare."""
    from nlpseq.runtime import models
    from nlpseq.runtime.verification import replay

    results = []
    for result in replay(models.find(model).exported()):
        click.echo(f"{'FAIL' if result.differences else 'ok  '} {_one_line(result.example)}")
        for difference in result.differences:
            click.echo(f"     {_one_line(difference)}")
        results.append(result)
    failed = sum(bool(result.differences) for result in results)
    click.echo(f"{len(results) - failed} of {len(results)} examples give the stored answers")
    sys.exit(1 if failed else 0)


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


@main.command()
@click.option("--data", default="sample", show_default=True, metavar="SPEC", help="A text.")
@click.option("--steps", type=click.IntRange(10), default=400, show_default=True, help="Training steps of each cell.")
@click.option("--units", type=click.IntRange(1), default=128, show_default=True, help="Of the one recurrent layer.")
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True)
@click.option("--output", type=click.Path(path_type=Path), metavar="FILE", help="A picture (PNG).")
def compare(data: str, steps: int, units: int, seed: int, output: Path | None) -> None:
    """Train an RNN, an LSTM and a GRU on the same text: loss, how far gradients reach, speed, size."""
    from nlpseq.quiet import import_tensorflow

    import_tensorflow()
    from nlpseq.report.comparison import comparison_picture, comparison_table
    from nlpseq.training.comparison import compare_cells

    results = []
    for result in compare_cells(data, steps=steps, units=units, seed=seed):
        click.echo(f"{result.cell}: {result.valid_nats:.3f} nats per character", err=True)
        results.append(result)
    click.echo(comparison_table(results))
    if output is not None:
        from nlpseq.atomic_files import write_bytes

        write_bytes(output, comparison_picture(results))
        click.echo(f"picture: {output}", err=True)


def _holds_something_else(folder: Path) -> bool:
    return any(folder.iterdir()) and not (folder / "saved_model.pb").exists()


def _note_resume(task: str, folder: Path) -> None:
    click.echo(f"\ninterrupted; go on with: nlpseq train-task {task} --output {folder} --resume", err=True)


def _find(model: str | None, task: str, languages: tuple[str, str] | None = None) -> Any:
    from nlpseq.runtime import models

    found = models.find(model) if model else models.default(task, languages)
    if found.task != task:
        command = {"translation": "translate", "sentiment": "classify", "char-lm": "generate"}.get(found.task, "info")
        raise UserError(f"'{found.name}' is a {found.task} model: nlpseq {command} uses it")
    return found


@contextmanager
def _answers(
    model: Any, answer: Callable[[str], Any], lines: Iterable[str], jobs: int
) -> Iterator[Iterable[tuple[str, Any]]]:
    """Each text with the model's answer, in order; None for a blank one. A Keras model uses all cores anyway."""
    from nlpseq.runtime.exported import Predictor
    from nlpseq.runtime.streaming import ordered_map

    exported = isinstance(model, Predictor)
    threads = jobs or _cores() if exported else 1
    with closing(ordered_map(lambda text: (text, answer(text) if text.strip() else None), lines, threads)) as answers:
        try:
            yield answers
        finally:
            if exported:
                model.model.close()


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def _lines(texts: tuple[str, ...], file: Path | None) -> Iterator[Iterable[str]]:
    """The texts to work on: arguments, else the file's lines, else those of standard input as they come."""
    if texts and file:
        raise UserError("give texts or --input, not both")
    if texts:
        yield [_checked_line(text, f"text {index + 1}") for index, text in enumerate(texts)]
    elif file is not None:
        if not file.is_file():
            raise UserError(f"{file}: no such file")
        with open(file, "rb") as stream:
            yield _decoded(stream, str(file))
    else:
        yield _decoded(_standard_input(), "standard input")


def _standard_input() -> IO[bytes]:
    if sys.stdin is None:
        raise UserError("there is no standard input: give texts, or a file with --input")
    if sys.stdin.isatty():
        click.echo("a text a line; end with Ctrl-D", err=True)
    try:
        # A stream of our own: Python gives up its own one at exit, when a thread may still wait for a line from it.
        return open(sys.stdin.fileno(), "rb", closefd=False)
    except OSError:  # it is no file, as in tests
        return sys.stdin.buffer


def _decoded(stream: IO[bytes], name: str) -> Iterator[str]:
    from nlpseq.errors import DataError

    for number, line in enumerate(iter(lambda: stream.readline(_MOST_BYTES), b""), start=1):
        where = f"{name}, line {number}"
        if len(line) == _MOST_BYTES and not line.endswith(b"\n"):  # cut off, perhaps inside of a character
            raise _too_long(where)
        try:
            text = line.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
        except UnicodeDecodeError as error:
            raise DataError(
                f"not UTF-8 (byte {error.start + 1} of the line): convert it, such as iconv -f latin1 -t utf-8",
                file=name,
                line=number,
            ) from None
        yield _checked_line(text, where)


def _checked_line(text: str, where: str) -> str:
    if len(text) > _MOST_CHARACTERS:
        raise _too_long(where)
    return text


def _too_long(where: str) -> UserError:
    return UserError(f"{where}: more than {_MOST_CHARACTERS:,} characters in one line: cut it into lines")


@contextmanager
def _writer(output: Path | None) -> Iterator[Any]:
    """A function that writes one line; to a file only when all is done."""
    if output is None:

        def write(line: str) -> None:
            sys.stdout.buffer.write(line.encode("utf-8", "replace") + b"\n")
            sys.stdout.buffer.flush()

        yield write
        return
    from nlpseq.atomic_files import replaced

    with replaced(output) as temporary, open(temporary, "wb") as file:
        yield lambda line: file.write(line.encode("utf-8", "replace") + b"\n")
        file.flush()


def _json(result: Any) -> str:
    return json.dumps(result.to_json(), ensure_ascii=False)


def _one_line(text: str) -> str:
    return " ".join(text.splitlines())


def _plain(metrics: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in metrics.items():
        if isinstance(value, float):
            yield name, f"{value:.4f}"
        elif isinstance(value, int | str):
            yield name, str(value)


def _headline(metrics: dict[str, Any]) -> str:
    part = next((part for part in ("test", "valid") if part in metrics), None)
    names = ("bleu", "accuracy", "nats_per_character")
    name = next((name for name in names if part and name in metrics[part]), None)
    return f"{part} {name} {metrics[part][name]:.4g}" if part and name else ""


def _confusion(confusion: list[list[int]], labels: tuple[str, ...]) -> str:
    width = max(len(label) for label in (*labels, "true \\ predicted")) + 2
    rows = ["true \\ predicted".ljust(width) + "".join(label.rjust(width) for label in labels)]
    rows += [
        label.ljust(width) + "".join(str(count).rjust(width) for count in counts)
        for label, counts in zip(labels, confusion, strict=True)
    ]
    return "\n".join(rows)


def _fail(message: object, code: int) -> None:
    _say(f"nlpseq: {message}")
    sys.exit(code)


def _say(message: str) -> None:
    with audible_stderr():
        click.echo(message, err=True)
