"""The command line as a person meets it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from nlpseq.cli import main
from nlpseq.folder_lock import held
from nlpseq.report.comparison_facts import Comparison
from nlpseq.training.trainer import Interrupted
from tests.report.made_comparison import comparison
from tests.tasks.tiny import TINY, write_data


def nlpseq(*arguments: str | Path, input: bytes | None = None) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments], input=input)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, finished_folder: Callable[[str], Path]) -> Path:
    """A folder with a tiny model of each task under ``saved_models``."""
    folder = tmp_path_factory.mktemp("home")
    for task in TINY:
        shutil.copytree(finished_folder(task), folder / "saved_models" / f"tiny-{task}")
    return folder


@pytest.fixture
def home(trained: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(trained)
    return trained


def test_version_and_help() -> None:
    assert nlpseq("--version").output.startswith("nlpseq, version ")
    assert "train-task" in nlpseq("--help").output
    assert "--max-minutes" in nlpseq("train-task", "--help").output


def test_preview(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("label;text\n" + "pos;good, really\nneg;bad\n" * 3 + "neg;\n", encoding="utf-8")
    found = json.loads(nlpseq("preview", "sentiment", "--data", file, "--json").stdout)
    assert found["records"] == 6
    assert found["columns"] == {"text": "text", "label": "label"}
    assert found["labels"] == {"pos": 3, "neg": 3}
    assert found["left_out"] == {"no text": 1}
    assert found["first"][0] == {"text": "good, really", "label": "pos"}
    assert len(found["first"]) == 3
    page = nlpseq("preview", "sentiment", "--data", file).stdout
    assert "semicolon" in page
    assert "'good, really' → 'pos'" in page
    refused = nlpseq("preview", "translation", "--data", file)
    assert refused.exit_code == 2
    assert "--columns source,target" in refused.stderr
    assert nlpseq("preview", "char-lm", "--data", file, "--columns", "-,text").exit_code == 0


def test_translate_arguments_and_lines(home: Path) -> None:
    result = nlpseq("translate", "one cat", "two dogs")
    assert result.exit_code == 0, result.output
    assert len(result.stdout.splitlines()) == 2
    lines = nlpseq("translate", input=b"\xef\xbb\xbfone cat\r\n\n  \ntwo dogs")
    assert lines.stdout.splitlines()[0] == result.stdout.splitlines()[0]
    assert lines.stdout.splitlines()[1:3] == ["", ""]
    assert lines.stdout.splitlines()[3] == result.stdout.splitlines()[1]


def test_a_line_too_long_is_said_to_be_so(home: Path) -> None:
    result = nlpseq("classify", input="\ufeff".encode() + "文".encode() * 200_000)  # cut inside of a character
    assert (result.exit_code, result.stdout) == (2, "")
    assert "standard input, line 1: more than 100,000 characters" in result.stderr


def test_translate_json_and_n_best(home: Path) -> None:
    record = json.loads(nlpseq("translate", "--json", "one cat").stdout)
    assert record["source"] == "one cat"
    assert len(record["alignment"]) == len(record["pieces"])
    several = nlpseq("translate", "--n-best", "3", "one cat").stdout.splitlines()
    scores = [float(line.split("\t")[0]) for line in several]
    assert len(several) == 3
    assert scores == sorted(scores, reverse=True)
    assert nlpseq("translate", "--n-best", "5", "--beam", "2", "x").exit_code == 2


def test_translate_by_languages(home: Path) -> None:
    assert nlpseq("translate", "--from", "en", "--to", "fr", "one cat").exit_code == 0
    wrong = nlpseq("translate", "--from", "en", "--to", "de", "one cat")
    assert (wrong.exit_code, wrong.stdout) == (2, "")
    assert "no model that can translate from en to de" in wrong.stderr
    assert nlpseq("translate", "--from", "en", "x").exit_code == 2


def test_classify(home: Path) -> None:
    label, probability = nlpseq("classify", "a good film").stdout.rstrip("\n").split("\t")
    assert label in "+-"
    assert 0.5 <= float(probability) <= 1
    record = json.loads(nlpseq("classify", "--json", "a good film").stdout)
    assert sum(record["probabilities"].values()) == pytest.approx(1, abs=1e-3)


def test_generate_repeats_with_its_seed(home: Path) -> None:
    one = nlpseq("generate", "The ", "--length", "20", "--seed", "5")
    assert one.stdout.startswith("The ")
    assert nlpseq("generate", "The ", "--length", "20", "--seed", "5").stdout == one.stdout
    drawn = nlpseq("generate", "The ", "--length", "20")
    seed = drawn.stderr.split()[-1]
    assert nlpseq("generate", "The ", "--length", "20", "--seed", seed).stdout == drawn.stdout


def test_evaluate(home: Path) -> None:
    data = write_data(home, "sentiment")
    result = nlpseq("evaluate", "tiny-sentiment", "--data", data, "--json")
    assert result.exit_code == 0, result.output
    metrics = json.loads(result.stdout)
    assert metrics["examples"] == 60
    assert sum(map(sum, metrics["confusion"])) == 60
    plain = nlpseq("evaluate", "tiny-sentiment", "--data", data).stdout
    assert "accuracy: " in plain
    assert "true \\ predicted" in plain


def test_evaluate_with_robustness(home: Path) -> None:
    data = write_data(home, "translation")
    shown = nlpseq("evaluate", "tiny-translation", "--data", data, "--robustness").stdout
    assert "60 texts as people type them" in shown
    assert "chrF typed so" in shown  # short answers
    file = Path("saved_models", "tiny-translation", "model.tflite")  # quick: nothing is traced
    result = nlpseq("evaluate", file, "--data", data, "--robustness", "--json")
    found = json.loads(result.stdout)
    assert found["sources"] == found["robustness"]["texts"] == 60
    assert "typo" in found["robustness"]["noise"]
    refused = nlpseq("evaluate", "tiny-char-lm", "--data", "sample", "--robustness")
    assert refused.exit_code == 2
    assert "--robustness is for models that translate or classify" in refused.stderr


def test_models_info_doctor(home: Path) -> None:
    listed = nlpseq("models").stdout
    for task in TINY:
        assert f"tiny-{task}" in listed
    assert "tiny-translation" in nlpseq("info", "tiny-translation").stdout
    assert json.loads(nlpseq("info", "tiny-char-lm", "--json").stdout)["task"] == "char-lm"
    assert "tensorflow" in nlpseq("doctor").stdout


def test_output_file_is_whole_or_absent(home: Path, tmp_path: Path) -> None:
    lines = tmp_path / "in.txt"
    lines.write_bytes(b"one cat\n\xff\n")
    result = nlpseq("translate", "--input", lines, "--output", tmp_path / "out.txt")
    assert result.exit_code == 2
    assert "in.txt, line 2: not UTF-8 (byte 1 of the line)" in result.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.txt"]
    lines.write_bytes(b"one cat\n")
    assert nlpseq("translate", "--input", lines, "--output", tmp_path / "out.txt").exit_code == 0
    assert len((tmp_path / "out.txt").read_text(encoding="utf-8").splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["translate", "--model", "tiny-translaton", "x"], "did you mean 'tiny-translation'?"),
        (["translate", "--model", "tiny-sentiment", "x"], "is a sentiment model: nlpseq classify uses it"),
        (["translate", "--input", "none.txt"], "none.txt: no such file"),
        (["translate", "x" * 100_001], "more than 100,000 characters"),
        (["train-task", "translate"], "there is no task 'translate': choose char-lm"),
        (["train-task", "sentiment", "--set", "model.cell=lsmt"], "choose rnn, lstm or gru"),
        (["train-task", "sentiment", "--set", "model.unit=3"], "did you mean 'units'?"),
        (["train-task", "sentiment", "--set", "model.units=many"], "must be a whole number"),
        (["train-task", "sentiment", "--data", "none.tsv"], "none.tsv"),
        (["train-task", "sentiment", "--resume", "--epochs", "3"], "--resume goes on with the folder's own"),
        (["train-task", "sentiment", "--output", "saved_models/tiny-sentiment"], "--overwrite replaces it"),
    ],
)
def test_mistakes_get_one_clear_message(home: Path, arguments: list[str], message: str) -> None:
    result = nlpseq(*arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stdout == ""
    assert "Traceback" not in result.output


@pytest.mark.parametrize("package", ["tensorflow", "keras"])
@pytest.mark.parametrize("command", [("train-task", "sentiment"), ("compare",), ("translate", "--beam", "7", "x")])
def test_a_missing_package_is_named(
    home: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...], package: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    result = nlpseq(*command)
    assert result.exit_code == 2
    assert result.stderr == f"nlpseq: this needs the package '{package}': pip install 'nlpseq[train]'\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_a_full_disk_is_said() -> None:
    command = [sys.executable, "-c", "from nlpseq.cli import main; main()", "doctor"]
    with open("/dev/full", "wb") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr) == (1, "nlpseq: the disk is full: make space, then try again\n")


def test_a_damaged_model_folder(home: Path, tmp_path: Path) -> None:
    for name in ("model.keras", "source.model", "vocabulary.json", "config.toml"):
        folder = tmp_path / name
        shutil.copytree(home / "saved_models" / "tiny-translation", folder)
        (folder / "model.tflite").unlink()  # which would be used
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[: len(content) // 2])
        result = nlpseq("translate", "--model", folder, "x")
        assert result.exit_code == 2, (name, result.output)
        assert "Traceback" not in result.output
        assert "not finished" not in result.output  # which would advise to go on with the training
        (folder / name).unlink()
        result = nlpseq("translate", "--model", folder, "x")
        assert result.exit_code == 2, (name, result.output)


def test_show_config_can_be_trained_with(home: Path, tmp_path: Path) -> None:
    shown = nlpseq("train-task", "translation", "--show-config", "--set", "model.units=99").stdout
    (tmp_path / "config.toml").write_text(shown, encoding="utf-8")
    assert nlpseq("train-task", "translation", "--config", tmp_path / "config.toml", "--show-config").stdout == shown
    wrong = nlpseq("train-task", "sentiment", "--config", tmp_path / "config.toml", "--show-config")
    assert "is for the task 'translation'" in wrong.stderr


@pytest.mark.parametrize("option", [("--quantize", "int8"), ("--tolerance", "1"), ("--examples", "3")])
def test_what_a_saved_model_has_not_is_refused(home: Path, option: tuple[str, str]) -> None:
    """Once these options were ignored (fault 11)."""
    result = nlpseq("export", "tiny-sentiment", "--format", "saved-model", *option)
    assert result.exit_code == 2
    assert f"{option[0]} is for a .tflite" in result.stderr


def test_a_folder_in_use_gets_no_export(home: Path) -> None:
    with held(home / "saved_models" / "tiny-sentiment", "nlpseq another"):
        result = nlpseq("export", "tiny-sentiment")
    assert result.exit_code == 2
    assert f"process {os.getpid()} works in this folder" in result.stderr


def test_an_interrupt_says_how_to_go_on(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise Interrupted

    monkeypatch.setattr("nlpseq.pipeline.train.train", interrupted)
    monkeypatch.setattr("signal.signal", lambda *_: None)
    result = nlpseq("train-task", "sentiment", "--output", "d'or")
    assert result.exit_code == 130
    assert result.stderr.endswith("""go on with: nlpseq train-task sentiment --output 'd'"'"'or' --resume\n""")


def test_compare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plans = []

    def compared(plan: Any, display: Any) -> Comparison:
        plans.append(plan)
        return comparison(data=plan.text.data, text=[], effects=[])

    monkeypatch.setattr("nlpseq.pipeline.compare.compare_cells", compared)
    report = tmp_path / "report.html"
    result = nlpseq("compare", "--data", "my text.txt", "--minutes", "3", "--part", "memory", "--output", report)
    assert result.exit_code == 0, result.output
    assert "copying lstm" in result.stdout
    assert "--data &#x27;my text.txt&#x27; --minutes 3 --seeds 3 --part memory" in report.read_text(encoding="utf-8")
    assert (plans[0].minutes, plans[0].parts, plans[0].seeds) == (3, ("memory",), (1, 2, 3))
    found = json.loads(nlpseq("compare", "--json", "--output", report).stdout)
    assert found["memory"]["copying"]["lstm"]["100"] == 1
    assert plans[1].parts == ("memory", "text", "effects")
    refused = nlpseq("compare", "--output", tmp_path)
    assert refused.exit_code == 2
    assert "give a file's name with --output" in refused.stderr


@pytest.mark.parametrize(
    ("model", "shown"),
    [("char-lm", "layer 2"), ("sentiment", "layer 1, backward"), ("translation", "layer 1, forward")],
)
def test_inspect(home: Path, tmp_path: Path, model: str, shown: str) -> None:
    page, longer = tmp_path / "page.html", tmp_path / "longer.txt"
    longer.write_text('A cat sat. "No," it said.\n' * 9, encoding="utf-8")
    result = nlpseq("inspect", f"tiny-{model}", "A cat isn't (a dog).", "--output", page, "--follow", longer)
    assert result.exit_code == 0, result.output
    assert shown in result.stdout
    assert "inside quotes" in result.stdout
    assert "data:image/png" in page.read_text(encoding="utf-8")


def test_inspect_says_what_is_wrong(home: Path, tmp_path: Path) -> None:
    picture = tmp_path / "states.png"
    assert nlpseq("inspect", "tiny-char-lm", "a cat", "--output", picture).exit_code == 0
    assert picture.read_bytes().startswith(b"\x89PNG")
    for arguments, words in [
        (("tiny-char-lm", "a cat", "--output", "states.gif"), "ends in .html or .png"),
        (("tiny-char-lm", " "), "nothing to read"),
        (("tiny-char-lm", "a", "--follow", "missing.txt"), "missing.txt"),
    ]:
        result = nlpseq("inspect", *arguments)
        assert result.exit_code == 2
        assert words in result.stderr


def test_lines_are_answered_one_by_one_and_a_closed_pipe_is_no_error(home: Path) -> None:
    command = [sys.executable, "-c", "from nlpseq.cli import main; main()", "classify", "--model", "tiny-sentiment"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    for text in (b"a good film\n", b"a bad film\n"):
        process.stdin.write(text)
        process.stdin.flush()
        assert process.stdout.readline().split(b"\t")[0] in (b"+", b"-")  # before the next line is sent
    process.stdout.close()
    process.stdin.write(b"a good film\n")
    process.stdin.close()
    assert process.wait(60) == 0
    assert process.stderr is not None
    assert process.stderr.read() == b""
