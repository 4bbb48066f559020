"""A task from a package of its own (tests/toy) goes the whole way, without a line of nlpseq that knows of it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import nlpseq
from nlpseq.cli import main
from nlpseq.errors import UserError

PACKAGE = Path(__file__).parent / "toy"
SENTENCE = "Anna saw 7 Fords"
TAGS = ["capitalized", "other", "number", "capitalized"]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder in which the package is installed and a model is trained: interrupted after an epoch, then resumed."""
    home = tmp_path_factory.mktemp("home")
    shutil.copytree(PACKAGE, home / "source", ignore=shutil.ignore_patterns("__pycache__"))  # building writes there
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--target", home / "installed", home / "source"], check=True, capture_output=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(home / "installed")
        patch.setenv("PYTHONPATH", str(home / "installed"))
        patch.setenv("NLPSEQ_CACHE", str(home / "cache"))
        patch.chdir(home)
        yield home


@pytest.fixture(scope="module")
def trained(home: Path) -> dict[str, Result]:
    """What ``train-task`` said when it was interrupted, and when it had gone on to the end."""
    from nlpseq.training.trainer import Trainer

    validate = Trainer._validate
    settings = ["training.epochs=6", "training.learning_rate=0.02", "training.ema=0", "training.replicas=1"]
    options = [option for setting in settings for option in ("--set", setting)]
    with pytest.MonkeyPatch.context() as patch:

        def interrupted(trainer: Trainer, validation: list[object]) -> None:
            validate(trainer, validation)
            os.kill(os.getpid(), signal.SIGINT)

        patch.setattr(Trainer, "_validate", interrupted)
        first = run("train-task", "word-kinds", "--output", "saved_models/kinds of words", *options)
    second = run("train-task", "word-kinds", "--output", "saved_models/kinds of words", "--resume")
    return {"first": first, "second": second}


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def in_process(*arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
    """The command as a process of its own, in which the package is found."""
    command = [sys.executable, "-c", "from nlpseq.cli import main; main()", *arguments]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=False)


def test_the_package_is_found_by_its_entry_points(home: Path) -> None:
    assert {point.name for point in entry_points(group="nlpseq.tasks")} == {"word-kinds"}
    assert "tag " in run("--help").stdout
    assert "--set" in run("train-task", "--help").stdout
    assert 'task = "word-kinds"' in run("train-task", "word-kinds", "--show-config").stdout
    assert "choose char-lm, sentiment, translation, word-kinds" in run("train-task", "kinds").stderr


def test_the_page_on_adding_a_task_shows_this_package() -> None:
    page = (PACKAGE.parent.parent / "docs" / "adding-a-task.md").read_text(encoding="utf-8")
    shown = page.split("```toml\n")[1].split("```")[0]
    assert shown in (PACKAGE / "pyproject.toml").read_text(encoding="utf-8")
    lines = sum(len(file.read_text(encoding="utf-8").splitlines()) for file in PACKAGE.rglob("*.py"))
    assert f"in {lines} lines" in page


def test_training_stops_and_goes_on(trained: dict[str, Result]) -> None:
    first, second = trained["first"], trained["second"]
    assert first.exit_code == 130, first.output
    assert "SENTENCES.tsv" in first.stderr
    assert "go on with: nlpseq train-task word-kinds --output 'saved_models/kinds of words' --resume\n" in first.stderr
    assert "epoch 1/6" in first.stderr
    assert second.exit_code == 0, second.output
    assert "epoch 1/6" not in second.stderr
    assert "epoch 6/6" in second.stderr
    assert "not exported" not in second.stderr
    assert "valid word_accuracy: 1.0000\n" in second.stdout
    assert "nlpseq tag --model 'kinds of words' \"Anna bought 12 apples\"" in second.stderr


def test_the_model_card_says_what_the_task_says(trained: dict[str, Result], home: Path) -> None:
    card = (home / "saved_models" / "kinds of words" / "MODEL_CARD.md").read_text(encoding="utf-8")
    for part in (
        "# kinds of words\n\nTells of each word of a text what kind of word it is.",
        "- words tagged right 100.0 % on the validation part",
        "nlpseq tag --model 'kinds of words' \"Anna bought 12 apples\"",
        "nlpseq train-task word-kinds --config 'saved_models/kinds of words/config.toml' --output NEW",
        "| words tagged right | higher | 100.0 % |",
        "It may lose ",
        "/capitalized",  # an example
        "of no use for text without spaces",
    ):
        assert part in card, part


def test_the_model_is_measured(trained: dict[str, Result], tmp_path: Path) -> None:
    data = tmp_path / "sentences.tsv"
    data.write_text(
        f"text\ttags\n{SENTENCE}\t{' '.join(TAGS)}\nBen  lost 5\tcapitalized other other\n", encoding="utf-8"
    )
    result = run("evaluate", "kinds of words", "--data", str(data), "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout) == {"word_accuracy": pytest.approx(6 / 7), "words": 7}
    file = run("evaluate", "saved_models/kinds of words/model.tflite", "--data", str(data))
    assert file.exit_code == 0, file.output
    assert file.stdout == "word_accuracy: 0.8571\nwords: 7\n"
    data.write_text("text\ttags\none two\tother\n", encoding="utf-8")
    wrong = run("train-task", "word-kinds", "--data", str(data), "--output", str(tmp_path / "new"))
    assert wrong.exit_code == 2
    assert "sentences.tsv, line 2: give each word one tag of other" in wrong.stderr


def test_the_model_is_exported_again_and_verified(trained: dict[str, Result], tmp_path: Path) -> None:
    result = run("export", "kinds of words", "--quantize", "none", "--output", str(tmp_path / "tagger.tflite"))
    assert result.exit_code == 0, result.output
    assert "none against Keras: equal_texts 1" in result.stderr
    verified = in_process("verify", str(tmp_path / "tagger.tflite"))
    assert verified.returncode == 0, verified.stdout
    assert verified.stdout.startswith("ok   tag")
    saved = run("export", "kinds of words", "--format", "saved-model", "--output", str(tmp_path / "saved"))
    assert saved.exit_code == 0, saved.output
    assert (tmp_path / "saved" / "saved_model.pb").is_file()


def test_the_model_is_used_from_python(trained: dict[str, Result], home: Path) -> None:
    tagger = nlpseq.load("kinds of words")
    assert tagger.tag(SENTENCE).tags == TAGS
    many = tagger.tag(f" {SENTENCE}\n" * 50)  # more than one call holds
    assert many.words == SENTENCE.split() * 50
    assert len(many.tags) == len(many.words)
    assert many.tags[:4] == TAGS
    shutil.copytree(home / "saved_models" / "kinds of words", home / "keras only")
    (home / "keras only" / "model.tflite").unlink()
    assert nlpseq.load("keras only").tag(SENTENCE).tags == TAGS  # the model of the training, in this process


def test_the_model_has_a_command(trained: dict[str, Result]) -> None:
    line = "Anna/capitalized saw/other 7/number Fords/capitalized\n"
    assert run("tag", SENTENCE).stdout == line
    piped = in_process("tag", "--model", "kinds of words", text=f"{SENTENCE}\n\n{SENTENCE}\n")
    assert (piped.returncode, piped.stdout, piped.stderr) == (0, f"{line}\n{line}", "")
    records = [json.loads(line) for line in run("tag", "--json", SENTENCE, " ").stdout.splitlines()]
    assert (records[0]["words"], records[0]["tags"]) == (SENTENCE.split(), TAGS)
    assert records[1] == {"words": [], "tags": [], "confidence": 0.0}
    assert (
        "'kinds of words' is a word-kinds model: nlpseq tag uses it"
        in run("classify", "--model", "kinds of words", "x").stderr
    )
    assert (
        "'sentiment-en' is a sentiment model: nlpseq classify uses it"
        in run("tag", "--model", "sentiment-en", "x").stderr
    )


def test_the_model_is_listed(trained: dict[str, Result]) -> None:
    listed = next(line for line in run("models").stdout.splitlines() if line.startswith("kinds of words"))
    cells = [cell.strip() for cell in listed.split("  ")[1:] if cell]
    assert cells == ["word-kinds", "saved_models/kinds of words", "valid word_accuracy 1"]
    assert json.loads(run("info", "kinds of words", "--json").stdout)["exported"]["signatures"] == {"tag": {"N": 256}}


def test_using_the_model_imports_no_tensorflow(trained: dict[str, Result]) -> None:
    used = "import sys, nlpseq; nlpseq.load('kinds of words').tag('a b')"
    code = f"{used}; print({{*sys.modules}} & {{'tensorflow', 'keras'}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_without_its_package_a_model_says_what_to_do(
    trained: dict[str, Result], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [folder for folder in sys.path if folder != str(home / "installed")])
    assert "'kinds of words' is a word-kinds model" in run("classify", "--model", "kinds of words", "x").stderr
    evaluated = run("evaluate", "kinds of words", "--data", "none.tsv")
    assert evaluated.exit_code == 2
    assert "there is no task 'word-kinds': choose char-lm" in evaluated.stderr
    with pytest.raises(UserError, match="can do tag, which this version of nlpseq does not know"):
        nlpseq.load("kinds of words")
