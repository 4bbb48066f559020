"""The commands that use a model: each is for what a model can do, whatever task it was trained for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nlpseq import shell
from nlpseq.cli.main import as_json, main
from nlpseq.cores import available_cores
from nlpseq.errors import UserError
from nlpseq.line_io import line_writer, lines_of
from nlpseq.quiet import say

if TYPE_CHECKING:
    from nlpseq.model_folder import FoundModel
    from nlpseq.runtime.predictor import Predictor

_BUILT_IN = ("translate", "classify", "generate")
_LARGEST_SEED = 2**31 - 1

_path = click.Path(path_type=Path)
_model_option = click.option("--model", metavar="MODEL", help="A name, a folder or an exported file.")


def _line_options(what: str) -> Callable[[Any], Any]:
    """The options of a command that answers line by line."""
    options = [
        _model_option,
        click.option(
            "--input", "input_file", type=click.Path(path_type=Path), metavar="FILE", help=f"Lines to {what}."
        ),
        click.option("--output", type=click.Path(path_type=Path), metavar="FILE", help="Where results go."),
        click.option(
            "--jobs",
            type=click.IntRange(0),
            default=1,
            show_default=True,
            help="Threads; 0: all cores. With 1, a line is answered before the next is read.",
        ),
        click.option("--json", "json_lines", is_flag=True, help="One JSON object per text, with all that is known."),
    ]

    def decorate(command: Any) -> Any:
        for option in reversed(options):
            command = option(command)
        return click.argument("texts", nargs=-1, metavar="[TEXT]...")(command)

    return decorate


@main.command()
@_line_options("translate")
@click.option("--from", "source", metavar="LANG", help="Choose the model by languages: --from en --to fr.")
@click.option("--to", "target", metavar="LANG")
@click.option("--beam", type=click.IntRange(1, 64), help="Hypotheses kept; 1 is greedy.  [default: the model's own]")
@click.option("--n-best", type=click.IntRange(1, 64), default=1, show_default=True, help="Translations per text.")
@click.option(
    "--heatmap",
    type=_path,
    metavar="FILE.png",
    help="Draw what each word looked at; of the second text into FILE-2.png, and so on.",
)
@click.option(
    "--glossary",
    "glossary_file",
    type=_path,
    metavar="FILE.tsv",
    help="Lines with a term, a tab, and what it shall be called in the translation.",
)
@click.option(
    "--min-confidence",
    type=click.FloatRange(0, 1),
    metavar="P",
    help="Write the confidence before each translation, with a tab; below P with a question mark.",
)
def translate(
    texts: tuple[str, ...],
    model: str | None,
    input_file: Path | None,
    output: Path | None,
    jobs: int,
    json_lines: bool,
    source: str | None,
    target: str | None,
    beam: int | None,
    n_best: int,
    heatmap: Path | None,
    glossary_file: Path | None,
    min_confidence: float | None,
) -> None:
    """Translate texts, or the lines of a file or of standard input."""
    if (source is None) != (target is None):
        raise UserError("--from and --to go together, such as --from en --to fr")
    languages = (source, target) if source and target else None
    if heatmap is not None:
        _check_heatmap(heatmap)
    if glossary_file is not None and n_best > 1:
        raise UserError("--glossary goes with the best translation: leave out --n-best")
    glossary = _glossary(glossary_file)
    with lines_of(texts, input_file) as lines, line_writer(output) as write:
        translator, greedy = _translator(_find(model, "translate", languages), beam)
        if n_best > (width := 1 if greedy else translator.beam):
            raise UserError(f"--n-best {n_best}: at most as many as the beam is wide, which is {width}")
        if min_confidence is not None and not translator.is_calibrated:
            raise UserError(
                f"--min-confidence: {translator.backend.name} does not say how sure it is: nlpseq export MODEL makes a "
                "file that does, from a model folder with enough validation data"
            )

        def best(text: str) -> list[Any]:
            if n_best == 1 or not text.strip():
                return [translator.translate(text, greedy=greedy, glossary=glossary)]
            return translator.n_best(text, n_best)

        with _answers(translator, best, lines, jobs) as answers:
            for number, results in enumerate(answers, start=1):
                if missing := results[0].missing_terms:
                    say(f"text {number}: the model leaves no place for {', '.join(map(repr, missing))}")
                if heatmap is not None:
                    _draw(results[0], heatmap if number == 1 else heatmap.with_stem(f"{heatmap.stem}-{number}"))
                for result in results:
                    doubtful = _is_doubtful(result, min_confidence)
                    if json_lines:
                        write(as_json(result, **({} if min_confidence is None else {"doubtful": doubtful})))
                        continue
                    columns = [f"{result.score:.3f}"] if n_best > 1 else []
                    if min_confidence is not None and result.confidence is not None:
                        columns.append(f"{result.confidence:.2f}{'?' if doubtful else ''}")
                    write("\t".join([*columns, result.line]) if result.source.strip() else "")


def _is_doubtful(translation: Any, min_confidence: float | None) -> bool:
    """Whether a translation has a lower confidence than is asked for; nothing is not doubtful."""
    if min_confidence is None or translation.confidence is None:
        return False
    return bool(translation.confidence < min_confidence)


def _glossary(file: Path | None) -> Any:
    """The terms in a file."""
    if file is None:
        return None
    from nlpseq.runtime.glossary import Glossary

    return Glossary.read(file)


def _check_heatmap(file: Path) -> None:
    """Refuses what cannot be drawn before anything is translated."""
    from nlpseq.report import figures

    figures.check_name(file)
    figures.require_matplotlib()


def _draw(translation: Any, file: Path) -> None:
    """Draws a translation, and says what the picture lacks."""
    import nlpseq
    from nlpseq.report import figures, pictures

    nlpseq.heatmap(translation, file)
    if (sentences := len(translation.parts)) > pictures.MOST_MAPS:
        say(f"{file}: shows the first {pictures.MOST_MAPS} of {sentences} sentences")
    if lost := figures.undrawable(translation.source + translation.text):
        say(f"{file}: no font here has {' '.join(lost[:10])}: install one that has, such as Noto Sans CJK for Chinese")


def _translator(found: FoundModel, beam: int | None) -> tuple[Any, bool]:
    """A translation model ready to use, and whether it shall be greedy.

    For another beam than the exported file's, the model of the training is used, where there is one.
    """
    from nlpseq.pipeline import loading

    if found.exported_file is not None:
        translator: Any = loading.load(found)
        if beam in (None, 1, translator.beam):
            return translator, beam == 1
        if found.keras_file is None:
            raise UserError(
                f"--beam {beam}: {translator.backend.name} searches with {translator.beam}, or with 1, which is "
                f"greedy; nlpseq export MODEL --set decoding.beam={beam} makes another from the model of the training"
            )
    return loading.load_with(found, {} if beam is None else {"decoding.beam": beam}), beam == 1


@main.command()
@_line_options("classify")
def classify(
    texts: tuple[str, ...],
    model: str | None,
    input_file: Path | None,
    output: Path | None,
    jobs: int,
    json_lines: bool,
) -> None:
    """Label texts, or the lines of a file or of standard input."""
    told = False
    with lines_of(texts, input_file) as lines, line_writer(output) as write:
        classifier = _load(_find(model, "classify"))
        with _answers(classifier, classifier.respond, lines, jobs) as answers:
            for result in answers:
                if result.cut and not told:
                    say("a text is longer than the model reads: its beginning and its end were classified")
                    told = True
                write(as_json(result) if json_lines else result.line)


@main.command()
@click.argument("prompt", default="")
@_model_option
@click.option("--length", type=click.IntRange(0), default=200, show_default=True, help="Characters to write.")
@click.option("--temperature", type=click.FloatRange(0), default=0.8, show_default=True, help="0: most probable.")
@click.option("--top-k", type=click.IntRange(0), default=0, show_default=True, help="Draw among so many; 0: all.")
@click.option("--top-p", type=click.FloatRange(0, 1, min_open=True), default=1.0, show_default=True)
@click.option("--seed", type=click.IntRange(0, _LARGEST_SEED), help="Same seed, same text.  [default: drawn, and told]")
@click.option("--json", "json_object", is_flag=True, help="A JSON object.")
def generate(
    prompt: str,
    model: str | None,
    length: int,
    temperature: float,
    top_k: int,
    top_p: float,
    seed: int | None,
    json_object: bool,
) -> None:
    """Write text that goes on from PROMPT."""
    generator: Any = _load(_find(model, "generate"))
    if seed is None:
        import secrets

        seed = secrets.randbelow(100_000)
        say(f"seed {seed}")
    result = generator.generate(prompt, length=length, temperature=temperature, top_k=top_k, top_p=top_p, seed=seed)
    click.echo(as_json(result) if json_object else result.text)


def foreign_signatures() -> list[str]:
    """What predictors of other packages serve."""
    from nlpseq.runtime.predictor import signatures

    return [signature for signature in signatures() if signature not in _BUILT_IN]


def foreign_command(signature: str) -> click.Command:
    """The command for a predictor of another package: lines in, lines out."""

    @click.command(signature, help=f"Use a model that can {signature}, on texts or on lines.")
    @_line_options("work on")
    def answer(
        texts: tuple[str, ...],
        model: str | None,
        input_file: Path | None,
        output: Path | None,
        jobs: int,
        json_lines: bool,
    ) -> None:
        with lines_of(texts, input_file) as lines, line_writer(output) as write:
            predictor = _load(_find(model, signature))
            with _answers(predictor, predictor.respond, lines, jobs) as answers:
                for result in answers:
                    write(as_json(result) if json_lines else result.line)

    return answer


main.foreign_names, main.foreign_command = foreign_signatures, foreign_command


def _find(model: str | None, signature: str, languages: tuple[str, str] | None = None) -> FoundModel:
    """The model that is named, or the only one that can do this."""
    from nlpseq import model_folder
    from nlpseq.pipeline import loading

    if model is None:
        return loading.default(signature, languages)
    found = model_folder.find(model)
    if not loading.can(found, signature):
        able = [command for command in (*_BUILT_IN, *foreign_signatures()) if loading.can(found, command)]
        command = f"nlpseq {able[0]} uses it" if able else f"{shell.command('nlpseq', 'info', model)} says what it is"
        raise UserError(f"'{found.name}' is a {found.task} model: {command}")
    known = loading.languages_of(found)
    if languages is not None and known and known != languages:
        raise UserError(
            f"'{found.name}' translates from {known[0]} to {known[1]}, not from {languages[0]} to {languages[1]}: "
            "leave out --from and --to, or name another --model"
        )
    return found


def _load(found: FoundModel) -> Predictor:
    from nlpseq.pipeline import loading

    return loading.load(found)


@contextmanager
def _answers(
    predictor: Predictor, answer: Callable[[str], Any], lines: Iterable[str], jobs: int
) -> Iterator[Iterable[Any]]:
    """The answer to each line, in order. A program in this process uses all cores anyway."""
    from nlpseq.runtime.litert import ExportedFile
    from nlpseq.runtime.streaming import ordered_map

    threads = (jobs or available_cores()) if isinstance(predictor.backend, ExportedFile) else 1
    with closing(ordered_map(answer, lines, threads)) as answers:
        try:
            yield answers
        finally:
            predictor.backend.close()
