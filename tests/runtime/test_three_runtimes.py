"""The same file gives the same bytes in the interpreter, in CompiledModel and, if Chromium is there, in LiteRT.js.

Whole programs in CompiledModel are in ``tests/programs``.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from benchmarks import runtimes
from tests.browser.chromium import Chromium, UnavailableError
from tests.runtime import toys
from tests.runtime.echo import FACTS, N, S, tokenizer

TEXTS = [
    b"Where is the station?",
    "Où est l'hôtel, s'il vous plaît ? Ça coûte 12 €.".encode(),
    "駅はどこですか。 车站在哪里？".encode(),
    "👋🏽 👩‍👩‍👧 ½ ﬁ e\u0301".encode(),
    b"",
    b"x",
    b" ",
    b"a\0b",
    (b"The whole buffer is full of this text, to the very last byte. " * 2)[:N],
    b"." * (N - 1) + "é".encode()[:1],  # a character that the end of the buffer cuts
    b"." * (N - 2) + "€".encode()[:2],
    b"\xff\xfe \xc3 \xed\xa0\x80 \xf4\x90\x80\x80 \xc0\xaf",
]
SIGNATURES = pytest.mark.parametrize("signature", [name for sizes in toys.SIZES.values() for name in sizes])


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toys.write_toy(tmp_path_factory.mktemp("toy") / "toy.tflite", "char-lm")


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    folder = tmp_path_factory.mktemp("browser")
    try:
        chromium = Chromium(folder)
    except UnavailableError as error:
        pytest.skip(f"LiteRT.js: {error}")
    with chromium:
        yield chromium
    shutil.rmtree(folder)  # 80 MB of packages


@pytest.fixture(params=["translation", "sentiment", "char-lm"])
def program(request: pytest.FixtureRequest, program_file: Callable[[str], Path]) -> Path:
    """A task's whole program. Its model is not trained; with larger weights no two choices are all but equal."""
    return program_file(request.param)


def outputs_in(
    runtime: runtimes.Runtime, file: Path, signature: str, texts: list[bytes]
) -> list[dict[str, np.ndarray]]:
    return runtime(file, signature, runtimes.calls_for(file, signature, texts))[0]


def assert_as_in_the_interpreter(runtime: runtimes.Runtime, file: Path, signature: str) -> None:
    expected, given = (outputs_in(own, file, signature, TEXTS) for own in (runtimes.in_interpreter, runtime))
    for text, wanted, outputs in zip(TEXTS, expected, given, strict=True):
        assert outputs.keys() == wanted.keys()
        for name, array in wanted.items():
            assert outputs[name].dtype == array.dtype
            if array.dtype.kind == "f":
                np.testing.assert_allclose(outputs[name], array, rtol=1e-4, atol=1e-5, err_msg=f"{name} of {text!r}")
            else:
                np.testing.assert_array_equal(outputs[name], array, err_msg=f"{name} of {text!r}")


def test_the_interpreter_gives_what_the_tokenizer_gives(echo_file: Path) -> None:
    whole = [text for text in TEXTS if text == text.decode(errors="ignore").encode()]
    assert len(whole) == 9
    for text, outputs in zip(whole, outputs_in(runtimes.in_interpreter, echo_file, "translate", whole), strict=True):
        ids = tokenizer().encode(text.decode())
        assert outputs["ids"].tolist() == ids + [0] * (S - len(ids))
        assert outputs["text"].tobytes().rstrip(b"\0").decode() == tokenizer().decode(ids)


def test_compiled_model_agrees(echo_file: Path) -> None:
    assert_as_in_the_interpreter(runtimes.in_compiled_model, echo_file, "translate")


def test_litert_js_agrees(browser: Chromium, echo_file: Path) -> None:
    assert_as_in_the_interpreter(browser.run, echo_file, "translate")


@SIGNATURES
def test_all_signatures_of_one_file_agree_in_compiled_model(signature: str, toy: Path) -> None:
    assert_as_in_the_interpreter(runtimes.in_compiled_model, toy, signature)


@SIGNATURES
def test_all_signatures_of_one_file_agree_in_litert_js(signature: str, browser: Chromium, toy: Path) -> None:
    assert_as_in_the_interpreter(browser.run, toy, signature)


def test_whole_programs_agree(browser: Chromium, program: Path) -> None:
    for signature in runtimes.signatures(program):
        assert_as_in_the_interpreter(browser.run, program, signature)


def test_javascript_reads_the_metadata(browser: Chromium, echo_file: Path) -> None:
    facts = browser.metadata(echo_file)
    assert facts is not None
    assert {name: facts[name] for name in FACTS} == FACTS


def test_the_page_translates_a_text_longer_than_the_buffer(browser: Chromium, echo_file: Path, tmp_path: Path) -> None:
    text = "Where is the station? It is behind the old hotel on the left. " + "Good morning to you all. " * 4
    translation, time = browser.screenshot(echo_file, text.strip(), tmp_path / "page.png")
    assert translation == text.strip()
    assert time.endswith(" ms")
    assert (tmp_path / "page.png").read_bytes().startswith(b"\x89PNG")


def test_the_browser_says_what_is_wrong(browser: Chromium, echo_file: Path, tmp_path: Path) -> None:
    calls = runtimes.calls_for(echo_file, "translate", ["a"])
    with pytest.raises(RuntimeError, match="no signature 'classify', but translate"):
        browser.run(echo_file, "classify", calls)
    with pytest.raises(RuntimeError, match="'text' is int32: give uint8"):
        browser.run(echo_file, "translate", [{"text": calls[0]["text"].astype(np.int32)}])
    (tmp_path / "broken.tflite").write_bytes(echo_file.read_bytes()[:1000])
    with pytest.raises(RuntimeError):
        browser.run(tmp_path / "broken.tflite", "translate", calls)
    assert len(browser.run(echo_file, "translate", calls)[0]) == 1  # it goes on after an error
