"""``python -m benchmarks``: see README.md in this folder."""

from __future__ import annotations

import contextlib
import importlib.util
import itertools
import json
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from benchmarks import report
from benchmarks.race import Race, Turn, WorkerError
from benchmarks.workload import GATES, CharLM, Gemm, Translation, Workload, available_cores, to_json
from nlpseq.errors import UserError

CHAR_LM = ("nlpseq", "keras", "keras-jit", "keras-replicas", "pytorch")
TRANSLATION = ("nlpseq", "pytorch")
PRECISIONS = ("float32", "bfloat16")
TWINS = ("float32", "int8", "none")
TEXTS = click.Path(exists=True, dir_okay=False, path_type=Path)
TEXTS_HELP = "Lines of UTF-8, or the first column of a table with tabs; may be .gz."

Command = TypeVar("Command", bound=Callable[..., Any])


class Listed(click.ParamType):
    """Values with commas between them; each one a choice, or a whole number of at least 1."""

    name = "list"

    def __init__(self, choices: Sequence[str] = ()) -> None:
        self.choices = tuple(choices)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[Any, ...]:
        if isinstance(value, tuple):
            return value
        return tuple(dict.fromkeys(self._one(part.strip(), param, ctx) for part in value.split(",")))

    def _one(self, text: str, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if self.choices:
            if text not in self.choices:
                self.fail(f"'{text}': choose from {', '.join(self.choices)}", param, ctx)
            return text
        if not text.isascii() or not text.isdigit() or int(text) < 1:
            self.fail(f"'{text}': give whole numbers of at least 1, with commas between them", param, ctx)
        return int(text)


class Names(click.ParamType):
    """Names with commas between them."""

    name = "names"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        parts = value if isinstance(value, tuple) else value.split(",")
        return tuple(part.strip() for part in parts if part.strip())


def race_options(command: Command) -> Command:
    """What all side-by-side runs share."""
    for option in (
        click.option(
            "--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Every turn, as JSON."
        ),
        click.option(
            "--turn-seconds", type=click.FloatRange(0.05), default=2.0, show_default=True, help="Of a turn, about."
        ),
        click.option("--rounds", type=click.IntRange(1), default=7, show_default=True, help="Turns of each contender."),
    ):
        command = option(command)
    return command


@click.group(context_settings={"show_default": True})
def main() -> None:
    """Side-by-side speed of nlpseq, Keras' own layers and PyTorch; one exported file in several runtimes."""


@main.command("char-lm")
@click.option("--cells", type=Listed(tuple(GATES)), default="lstm", help="Of lstm, gru.")
@click.option("--batch", type=Listed(), default="64", help="Streams in a batch.")
@click.option("--units", type=Listed(), default="256", help="Of each of the two layers.")
@click.option("--length", type=Listed(), default="64", help="Steps that gradients go back.")
@click.option("--precision", type=Listed(PRECISIONS), default="float32", help="Of float32, bfloat16.")
@click.option("--contenders", type=Listed(CHAR_LM), default=",".join(CHAR_LM), help="Who takes part.")
@race_options
def char_lm(
    cells: Sequence[str],
    batch: Sequence[int],
    units: Sequence[int],
    length: Sequence[int],
    precision: Sequence[str],
    contenders: Sequence[str],
    rounds: int,
    turn_seconds: float,
    json_file: Path | None,
) -> None:
    """A character language model of two recurrent layers; every combination of what is listed."""
    workloads = [
        CharLM(cell=cell, units=width, batch=rows, length=steps, precision=kind)
        for kind, cell, width, rows, steps in itertools.product(precision, cells, units, batch, length)
    ]
    for rows in batch:
        _check_divisible(rows, "--batch")
    side_by_side(workloads, contenders, rounds, turn_seconds, json_file)


@main.command("translation")
@click.option("--precision", type=Listed(PRECISIONS), default="float32", help="Of float32, bfloat16.")
@click.option("--sentences", type=click.IntRange(1), default=64, help="Pairs in a batch.")
@click.option("--contenders", type=Listed(TRANSLATION), default=",".join(TRANSLATION), help="Who takes part.")
@race_options
def translation(
    precision: Sequence[str],
    sentences: int,
    contenders: Sequence[str],
    rounds: int,
    turn_seconds: float,
    json_file: Path | None,
) -> None:
    """The translation model at Multi30k's shapes; tokens are target pieces."""
    _check_divisible(sentences, "--sentences")
    workloads = [Translation(sentences=sentences, precision=kind) for kind in precision]
    side_by_side(workloads, contenders, rounds, turn_seconds, json_file)


@main.command("cost")
@click.option("--cell", type=click.Choice(tuple(GATES)), default="lstm")
@click.option("--rounds", type=click.IntRange(1), default=5, help="Turns of each size.")
@click.option("--turn-seconds", type=click.FloatRange(0.05), default=1.0, help="Of a turn, about.")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path(__file__).parent / "cost.png",
    show_default="benchmarks/cost.png",
    help="The picture.",
)
def cost(cell: str, rounds: int, turn_seconds: float, output: Path) -> None:
    """Time a token against length, batch and layers: tables and a picture."""
    from benchmarks import cost

    measured = {}
    for axis in cost.axes(cell):
        sizes = axis.workloads()
        with Race({f"nlpseq@{value}": workload for value, workload in sizes.items()}) as race:
            raced = race.run(rounds, turn_seconds, same_steps=False)
        turns = {value: raced[f"nlpseq@{value}"] for value in sizes}
        measured[axis.name] = cost.points(turns, sizes)
        print(f"## {axis.name}\n\n{cost.table(axis, measured[axis.name])}{report.disturbance(turns)}\n", flush=True)
    title = f"nlpseq, training a 2 x {cell.upper()}-256 character model"
    output.write_bytes(cost.picture(measured, title))
    print(f"picture: {output}", file=sys.stderr)


@main.command("first-step")
@click.argument("recipes", nargs=-1, type=click.Path(exists=True, dir_okay=False, path_type=Path))
def first_step(recipes: Sequence[Path]) -> None:
    """Seconds to the first step of recipes (all in recipes/ if none is named), and how often lengths are traced."""
    from benchmarks import first_step

    found = recipes or sorted((Path(__file__).parent.parent / "recipes").glob("*.toml"))
    print(first_step.table({recipe.stem: first_step.in_own_process(recipe) for recipe in found}))


@main.command("runtimes")
@click.argument("model", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--texts", type=TEXTS, show_default="the bundled phrases", help=TEXTS_HELP)
@click.option("--count", type=click.IntRange(1), default=200, help="Texts at most.")
@click.option("--signature", "signatures", multiple=True, show_default="all", help="Of the file; may be repeated.")
def runtimes(model: Path, texts: Path | None, count: int, signatures: Sequence[str]) -> None:
    """An exported file in the interpreter, in CompiledModel and in LiteRT.js: equal outputs, and milliseconds."""
    from benchmarks import runtimes
    from tests.browser.chromium import Chromium, UnavailableError

    known = runtimes.signatures(model)
    if unknown := set(signatures) - set(known):
        raise click.UsageError(f"--signature {min(unknown)}: the file has {', '.join(known)}")
    lines = runtimes.read_texts(texts, count) if texts else list(itertools.islice(runtimes.phrases(), count))
    if not lines:
        raise click.UsageError(f"--texts {texts}: there is no text")
    taking_part: dict[str, runtimes.Runtime] = {
        "interpreter": runtimes.in_interpreter,
        "CompiledModel": runtimes.in_compiled_model,
    }
    with contextlib.ExitStack() as stack:
        try:
            browser = Chromium(Path(stack.enter_context(tempfile.TemporaryDirectory())))
            taking_part["LiteRT.js in Chromium"] = stack.enter_context(browser).run
        except UnavailableError as error:
            print(f"LiteRT.js is left out: {error}", file=sys.stderr)
        results = [
            result
            for signature in signatures or known
            for result in runtimes.compare(model, signature, lines, taking_part)
        ]
    print(f"## {model.name}, {len(lines)} texts\n\n{runtimes.table(results)}")


@main.command("latency")
@click.argument("names", nargs=-1, required=True, metavar="MODEL...")
@click.option("--texts", type=TEXTS, show_default="everyday English", help=TEXTS_HELP)
@click.option("--pieces", type=click.IntRange(2), default=15, help="Of a source that is translated, its end counted.")
@click.option("--rounds", type=click.IntRange(1), default=15, help="In which everybody answers every call once.")
@click.option("--twins", type=Listed(TWINS), default="float32,int8", help=f"In PyTorch, of {', '.join(TWINS)}.")
@click.option("--trained", metavar="MODEL", help="Folder with model.keras, for the twins of a file that has none.")
def latency(
    names: Sequence[str], texts: Path | None, pieces: int, rounds: int, twins: Sequence[str], trained: str | None
) -> None:
    """What a call of exported models costs on one thread, side by side with twins in PyTorch.

    A MODEL is a name, a folder or an exported file; models of the same task take turns.
    """
    from benchmarks import latency
    from benchmarks.runtimes import read_texts
    from benchmarks.sentences import SENTENCES
    from nlpseq import model_folder

    lines = read_texts(texts, latency.MOST_TEXTS) if texts else list(SENTENCES)
    if not lines:
        raise click.UsageError(f"--texts {texts}: there is no text")
    kinds = [kind for kind in twins if kind != "none"]
    by_task: dict[str, dict[str, model_folder.FoundModel]] = {}
    for name in dict.fromkeys(names):
        model = model_folder.find(name)
        by_task.setdefault(model.task, {})[name] = model
    with tempfile.TemporaryDirectory() as folder:
        for task, found in by_task.items():
            contenders = latency.exported_contenders(found)
            if kinds and _has_pytorch():
                given = model_folder.find(trained) if trained else None
                added, missing = latency.twin_contenders(
                    found, given if given and given.task == task else None, kinds, Path(folder)
                )
                contenders += added
                print("".join(f"{task}: twins are left out: {why}\n" for why in missing), end="", file=sys.stderr)
            answers = latency.compare(next(iter(found.values())), contenders, lines, pieces, rounds)
            print(f"## {task}\n\n{answers}", flush=True)


@main.command("fuzz")
@click.argument("file", metavar="MODEL.tflite", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--count", type=click.IntRange(1), default=100_000, help="Calls.")
@click.option("--seed", type=int, default=1, help="The same seed makes the same calls.")
@click.option("--first", type=click.IntRange(0), default=0, help="Number of the first input, to repeat one: --count 1.")
@click.option("--seconds", type=click.FloatRange(0), default=0.0, help="After which to end early; 0: never.")
def fuzz(file: Path, count: int, seed: int, first: int, seconds: float) -> None:
    """Random bytes, texts and numbers to every signature of an exported file; ends with 1 where something is wrong."""
    from benchmarks import fuzz

    order = fuzz.Order(seed, first, first + count, seconds)
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)  # then too it ends with what was found so far
    try:
        with tempfile.TemporaryDirectory() as folder:
            found = fuzz.fuzz(file, order, Path(folder), lambda line: print(line, file=sys.stderr, flush=True))
    finally:
        signal.signal(signal.SIGTERM, before)
    print(fuzz.summary(file, order, found))
    sys.exit(1 if found.crashes or found.wrong or fuzz.grows(found.memory) else 0)


@main.command("throughput")
@click.argument("name", metavar="MODEL")
@click.option("--texts", type=TEXTS, show_default="everyday English", help=TEXTS_HELP)
@click.option(
    "--lines", type=click.IntRange(4), default=10_000, help="To answer; texts are repeated where they are fewer."
)
@click.option("--jobs", type=Listed(), default="1,2", help="Threads of the command line.")
@click.option("--rounds", type=click.IntRange(1), default=1, help="Runs with each number of jobs.")
def throughput(name: str, texts: Path | None, lines: int, jobs: Sequence[int], rounds: int) -> None:
    """Lines a second of the command line, its memory from beginning to end, and whether threads keep the order."""
    from benchmarks import throughput
    from benchmarks.runtimes import read_texts
    from benchmarks.sentences import SENTENCES
    from nlpseq import model_folder

    found = read_texts(texts, lines) if texts else SENTENCES
    if not found:
        raise click.UsageError(f"--texts {texts}: there is no text")
    model = model_folder.find(name)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "texts.txt"
        file.write_text("\n".join(throughput.repeated(found, lines)) + "\n", encoding="utf-8")

        def once(count: int) -> throughput.Run:
            return throughput.run(throughput.command(model.task, str(model.path), file, count), lines)

        print(f"## {model.name}, {lines:,} lines\n\n{throughput.table(throughput.measure(jobs, rounds, once), lines)}")


@main.command("ablation")
@click.option("--config", type=TEXTS, required=True, help="The recipe; data is found from where the command runs.")
@click.option("--variants", type=TEXTS, required=True, help="Lines such as 'weight drop: model.weight_drop=0.3'.")
@click.option("--seeds", type=Listed(), default="1,2,3", help="Of each variant.")
@click.option(
    "--only", type=Names(), default="", help="Names of variants, with commas between them.", show_default="all"
)
@click.option("--set", "common", multiple=True, metavar="KEY=VALUE", help="A setting of all variants.")
@click.option("--folder", type=click.Path(file_okay=False, path_type=Path), required=True, help="Where the runs stay.")
@click.option("--metrics", type=Names(), default="bleu,chrf", help="Columns of the table.")
@click.option("--part", type=click.Choice(["valid", "test"]), default="valid", help="What is measured.")
@click.option("--dry", is_flag=True, help="Train nothing: show what is there.")
def ablation(
    config: Path,
    variants: Path,
    seeds: Sequence[int],
    only: Sequence[str],
    common: Sequence[str],
    folder: Path,
    metrics: Sequence[str],
    part: str,
    dry: bool,
) -> None:
    """What each setting is worth: a recipe with variants and seeds. Runs that were stopped go on."""
    from benchmarks import ablation
    from nlpseq import config as configuration

    try:
        found = ablation.variants(variants.read_text(encoding="utf-8").splitlines())
    except ValueError as error:
        raise click.UsageError(f"--variants {variants}: {error}") from None
    if unknown := set(only) - {variant.name for variant in found}:
        raise click.UsageError(f"--only: {', '.join(sorted(unknown))}: not in {variants}")
    chosen = [variant for variant in found if not only or variant.name in only]
    task = configuration.named_task(config)
    if task is None:
        raise click.UsageError(f"--config {config}: it names no task")
    if not dry:
        ablation.run(task, config, chosen, seeds, folder, common)
    print(ablation.table(ablation.results(chosen, seeds, folder), metrics, part))


def side_by_side(
    workloads: Sequence[CharLM | Translation],
    contenders: Sequence[str],
    rounds: int,
    turn_seconds: float,
    json_file: Path | None,
) -> None:
    """Races the contenders on each workload, one workload after the other, and prints a table for each."""
    contenders = [name for name in contenders if name != "pytorch" or _has_pytorch()]
    if not contenders:
        raise click.UsageError("nobody is left to take part")
    results = []
    for workload in workloads:
        entries: dict[str, Workload] = dict.fromkeys(contenders, workload)
        with Race({**entries, "gemm": Gemm(precision=workload.precision)}) as race:
            turns = race.run(rounds, turn_seconds, same_steps=True)
        print(f"## {workload.title}\n\n{report.table(turns)}", flush=True)
        results.append({"workload": to_json(workload), "turns": _as_json(turns)})
        if json_file is not None:  # after every table, since a run may be long
            json_file.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


def _as_json(turns: dict[str, list[Turn]]) -> dict[str, list[dict[str, float]]]:
    return {name: [vars(turn) for turn in own] for name, own in turns.items()}


def _has_pytorch() -> bool:
    if importlib.util.find_spec("torch") is not None:
        return True
    print('pytorch is left out, since it is not installed: pip install -e ".[train,benchmarks]"', file=sys.stderr)
    return False


def _check_divisible(rows: int, option: str) -> None:
    if rows % available_cores():
        raise click.UsageError(f"{option} {rows}: give a multiple of this machine's {available_cores()} cores")


if __name__ == "__main__":
    try:
        main(prog_name="python -m benchmarks")
    except (WorkerError, UserError) as error:
        sys.exit(f"error: {error}")
