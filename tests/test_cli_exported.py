"""The command line with exported files, which need no TensorFlow."""

from __future__ import annotations

import functools
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import nlpseq as nlpseq_module
from nlpseq.cli import main
from tests.runtime import toys
from tests.test_model_folder import write_model

PATIENCE_S = 60


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a toy of each task under ``saved_models``."""
    home = tmp_path_factory.mktemp("exported")
    write_model(home / "saved_models" / "en-fr", "translation", ("en", "fr"))
    write_model(home / "saved_models" / "verdicts", "sentiment")
    write_model(home / "saved_models" / "letters", "char-lm")
    return home


@pytest.fixture
def home(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(folder)
    return folder


def nlpseq(*arguments: str | Path, input: bytes | None = None) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments], input=input)


def started(home: Path, *arguments: str) -> subprocess.Popen[bytes]:
    """The command as a process, to be talked with."""
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", "from nlpseq.cli import main; main()", *arguments]
    # Where the tests run in the background interrupts are ignored, which a child would inherit.
    heard = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    return subprocess.Popen(command, cwd=home, stdin=pipe, stdout=pipe, stderr=pipe, preexec_fn=heard)


@pytest.mark.parametrize("jobs", ["0", "1", "3"])
def test_lines_come_out_in_order(home: Path, jobs: str) -> None:
    lines = [f"line {number}" if number % 7 else "" for number in range(200)]
    result = nlpseq("translate", "--jobs", jobs, input="\n".join(lines).encode())
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines() == [line.upper() for line in lines]


def test_translate(home: Path) -> None:
    assert nlpseq("translate", "--from", "en", "--to", "fr", "A cat", "\udcff").stdout == "A CAT\n\ufffd\n"
    assert nlpseq("translate", "--beam", "1", "A cat").stdout == "a cat\n"
    assert nlpseq("translate", "--beam", "3", "--n-best", "2", "A cat").stdout == "-6.000\tA CAT\n-7.000\tA cat\n"
    record = json.loads(nlpseq("translate", "--json", "A").stdout)
    assert record == {
        "text": "A",
        "score": -2.0,
        "pieces": ["A", "</s>"],
        "source_pieces": ["A", "</s>"],
        "alignment": [[1.0, 0.0], [0.0, 1.0]],
        "source": "A",
        "confidence": None,
        "missing_terms": [],
    }


def test_a_picture_for_each_text(home: Path, tmp_path: Path) -> None:
    result = nlpseq("translate", "--heatmap", tmp_path / "map.png", "A cat", "\u0379", input=None)
    assert (result.exit_code, result.stdout) == (0, "A CAT\n\u0379\n")
    assert result.stderr.startswith(f"{tmp_path / 'map-2.png'}: no font here has \u0379: install one")
    nlpseq("translate", "--heatmap", tmp_path / "cat.png", "A cat")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cat.png", "map-2.png", "map.png"]
    assert (tmp_path / "map.png").read_bytes() == (tmp_path / "cat.png").read_bytes()
    nlpseq_module.heatmap(nlpseq_module.load("en-fr").translate("A cat"), tmp_path / "python.png")
    assert (tmp_path / "python.png").read_bytes() == (tmp_path / "cat.png").read_bytes()


@pytest.fixture
def calibrated(tmp_path: Path) -> Path:
    """A toy whose confidence is the logistic function of its score plus 5: 0.95 of "A", 0.5 of "four"."""
    facts = {"weights": [5.0, 1.0, 0.0], "longest": 10}
    return toys.write_toy(tmp_path / "sure.tflite", "translation", calibration=facts)


def test_doubtful_translations_are_marked(calibrated: Path) -> None:
    options = ("translate", "--model", calibrated, "--min-confidence", "0.7")
    result = nlpseq(*options, input=b"A\n\nfour\nA. A five.\n")
    assert result.stdout == "0.95\tA\n\n0.50?\tFOUR\n0.00?\tA. A FIVE.\n"
    assert (result.exit_code, result.stderr) == (0, "")
    records = [json.loads(line) for line in nlpseq(*options, "--json", input=b"A\n\nfour\n").stdout.splitlines()]
    assert [record["confidence"] for record in records] == [0.9526, None, 0.5]
    assert [record["doubtful"] for record in records] == [False, False, True]
    scored = nlpseq(*options, "--n-best", "2", "four").stdout
    assert scored == "-5.000\t0.50?\tFOUR\n-6.000\t0.27?\tfour\n"
    assert nlpseq("translate", "--model", calibrated, "four").stdout == "FOUR\n"


def test_a_file_that_was_not_calibrated_has_no_confidence(home: Path) -> None:
    result = nlpseq("translate", "--min-confidence", "0.5", "A")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "model.tflite does not say how sure it is: nlpseq export MODEL makes a file that does" in result.stderr


def test_a_glossary(home: Path, tmp_path: Path) -> None:
    (tmp_path / "terms.tsv").write_text("# animals\ncat\tchat\n", encoding="utf-8")
    result = nlpseq("translate", "--glossary", tmp_path / "terms.tsv", input=b"A cat.\n\nA dog.\n")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "A chat.\n\nA DOG.\n", "")
    (tmp_path / "terms.tsv").write_text("cat chat\n", encoding="utf-8")
    refused = nlpseq("translate", "--glossary", tmp_path / "terms.tsv", "A cat.")
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "terms.tsv, line 1: a line of a glossary is a term, one tab" in refused.stderr


def test_a_picture_of_another_kind_is_refused(home: Path, tmp_path: Path) -> None:
    result = nlpseq("translate", "--heatmap", tmp_path / "map.svg", "A cat")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "give a name that ends in .png" in result.stderr


def test_classify(home: Path) -> None:
    result = nlpseq("classify", "++", "a--", "+" * 40, "a" + "-" * 40, " ")
    assert result.stdout == "good\t0.982\nbad\t0.982\ngood\t1.000\nbad\t1.000\n\n"
    assert result.stderr == "a text is longer than the model reads: its beginning and its end were classified\n"
    record = json.loads(nlpseq("classify", "--json", "+").stdout)
    assert (record["label"], record["relevance"], record["cut"]) == ("good", [1.0], False)


@pytest.mark.parametrize("jobs", ["1", "2"])
@pytest.mark.parametrize("command", ["translate", "classify"])
def test_an_empty_file_has_no_answers(home: Path, tmp_path: Path, command: str, jobs: str) -> None:
    (tmp_path / "in.txt").touch()
    for options in ((), ("--input", tmp_path / "in.txt")):
        result = nlpseq(command, "--jobs", jobs, *options, input=b"")
        assert (result.exit_code, result.output) == (0, "")


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1", "shift-jis"])
def test_a_file_in_another_encoding_is_refused(home: Path, tmp_path: Path, encoding: str) -> None:
    (tmp_path / "in.txt").write_bytes({"shift-jis": "日本"}.get(encoding, "né").encode(encoding))
    result = nlpseq("translate", "--input", tmp_path / "in.txt")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "in.txt, line 1: not UTF-8 (byte " in result.stderr


@pytest.mark.parametrize("command", ["translate", "classify"])
def test_a_blank_line_has_the_keys_of_any_other(home: Path, command: str) -> None:
    """Once it had keys of its own (fault 12)."""
    blank, other = (json.loads(line) for line in nlpseq(command, "--json", " ", "a").stdout.splitlines())
    assert list(blank) == list(other)


def test_generate(home: Path) -> None:
    result = nlpseq("generate", "Go", "--length", "100", "--seed", "1", "--top-k", "2")
    assert (result.stdout, result.stderr) == ("Go" + "C" * 100 + "\n", "")
    drawn = nlpseq("generate", "Go", "--length", "5")
    seed = drawn.stderr.split()[1]
    assert nlpseq("generate", "Go", "--length", "5", "--seed", seed).stdout == drawn.stdout


def test_info(home: Path) -> None:
    shown = nlpseq("info", home / "saved_models" / "verdicts" / "model.tflite")
    assert shown.exit_code == 0
    assert "task: sentiment\n" in shown.stdout
    assert 'labels: ["bad", "good"]\n' in shown.stdout
    facts = json.loads(nlpseq("info", "--json", "verdicts").stdout)
    assert (facts["name"], facts["task"]) == ("verdicts", "sentiment")
    assert facts["exported"]["signatures"] == toys.SIZES["sentiment"]
    assert "pieces" not in facts["exported"]


def test_verify(home: Path, tmp_path: Path) -> None:
    right = {"signature": "translate", "inputs": {"text": "a\ncat"}, "outputs": {"text": "A\nCAT"}}
    wrong = {**right, "outputs": {"text": "UN CHAT"}}
    file = toys.write_toy(tmp_path / "model.tflite", "translation", golden=[right])
    result = nlpseq("verify", file)
    assert result.exit_code == 0
    assert result.stdout.splitlines()[0].startswith("ok   translate")
    assert result.stdout.endswith("1 of 1 examples give the stored answers\n")
    result = nlpseq("verify", toys.write_toy(file, "translation", golden=[right, wrong]))
    assert result.exit_code == 1
    assert "FAIL translate" in result.stdout
    assert "'UN CHAT'" in result.stdout
    assert result.stdout.endswith("1 of 2 examples give the stored answers\n")
    assert nlpseq("verify", "en-fr").exit_code == 2  # a toy has none


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["translate", "--beam", "5", "x"], "nlpseq export MODEL --set decoding.beam=5 makes another"),
        (["translate", "--n-best", "4", "x"], "--n-best 4: at most as many as the beam is wide, which is 3"),
        (["translate", "--model", "letters", "x"], "'letters' is a char-lm model: nlpseq generate uses it"),
        (["generate", "--model", "en-fr", "x"], "'en-fr' is a translation model: nlpseq translate uses it"),
        (["translate", "--greedy", "x"], "No such option"),
        (["translate", "--from", "en", "x"], "--from and --to go together"),
        (["translate", "--model", "none.tflite", "x"], "none.tflite: no such file"),
        (["translate", "--model", "en-fr", "--from", "de", "--to", "en", "x"], "from en to fr, not from de to en"),
        (["translate", "--jobs", "-1", "x"], "-1 is not in the range"),
        (["train-task", "translation", "--init-from", "en-fr", "--output", "new"], "this needs model.keras"),
    ],
)
def test_mistakes_get_one_clear_message(home: Path, arguments: list[str], message: str) -> None:
    result = nlpseq(*arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stdout == ""
    assert "Traceback" not in result.output


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_bad_line_is_reported_after_the_answers_before_it(home: Path, tmp_path: Path, jobs: str) -> None:
    result = nlpseq("translate", "--jobs", jobs, input=b"a\nb\n\xff\nc\n")
    assert (result.exit_code, result.stdout) == (2, "A\nB\n")
    assert "standard input, line 3: not UTF-8" in result.stderr
    (tmp_path / "in.txt").write_bytes(b"a\n\xff\n")
    result = nlpseq("translate", "--jobs", jobs, "--input", tmp_path / "in.txt", "--output", tmp_path / "out.txt")
    assert result.exit_code == 2
    assert [path.name for path in tmp_path.iterdir()] == ["in.txt"]


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_conversation_and_an_interrupt(home: Path, jobs: str) -> None:
    process = started(home, "translate", "--jobs", jobs)
    assert process.stdin
    assert process.stdout
    for text in ("one", "two", "three"):
        process.stdin.write(f"{text}\n".encode())
        process.stdin.flush()
        assert process.stdout.readline() == f"{text.upper()}\n".encode()  # before the next line is sent
    process.send_signal(signal.SIGINT)  # while it waits for a line
    out, errors = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, out, errors) == (130, b"", b"\ninterrupted\n")


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_an_interrupt_with_work_to_do(home: Path, tmp_path: Path, jobs: str) -> None:
    long = tmp_path / "long.txt"
    long.write_text("short\n" + ("some words " * 9_000 + "\n") * 200, encoding="utf-8")
    process = started(home, "translate", "--jobs", jobs, "--input", str(long))
    assert process.stdout
    assert process.stdout.readline() == b"SHORT\n"
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, errors) == (130, b"\ninterrupted\n")


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_closed_pipe_is_no_error(home: Path, tmp_path: Path, jobs: str) -> None:
    many = tmp_path / "many.txt"
    many.write_text("text\n" * 20_000, encoding="utf-8")
    process = started(home, "translate", "--jobs", jobs, "--input", str(many))
    assert process.stdout
    assert process.stderr
    assert process.stdout.readline() == b"TEXT\n"
    process.stdout.close()
    assert process.wait(PATIENCE_S) == 0
    assert process.stderr.read() == b""
