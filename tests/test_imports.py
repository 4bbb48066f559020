"""What using a model loads, and how the source tree is laid out.

Which way imports point is a contract of import-linter's: ``[tool.importlinter]`` in pyproject.toml.
"""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
HEAVY = ("tensorflow", "keras", "sentencepiece", "matplotlib")


def loaded_by(code: str) -> set[str]:
    """Heavy packages that a fresh interpreter has loaded after running the code."""
    check = f"import sys; print('loaded:', *[name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", f"{code}\n{check}"], capture_output=True, text=True, check=True)
    return set(done.stdout.rpartition("loaded:")[2].split())


@pytest.mark.parametrize(
    ("task", "command"),
    [
        ("translation", ["translate", "--jobs", "2", "text"]),
        ("sentiment", ["classify", "--json", "text"]),
        ("char-lm", ["generate", "text", "--seed", "1"]),
        ("translation", ["info"]),
        ("translation", ["verify"]),
    ],
)
def test_an_exported_file_is_used_without_them(toy_files: dict[str, Path], task: str, command: list[str]) -> None:
    model = [str(toy_files[task])] if len(command) == 1 else ["--model", str(toy_files[task])]
    run = f"main({[*command, *model]!r})"
    assert loaded_by(f"from nlpseq.cli import main\ntry:\n    {run}\nexcept SystemExit:\n    print()") == set()


def test_the_check_sees_what_is_loaded() -> None:
    assert loaded_by("import sentencepiece") == {"sentencepiece"}


@pytest.mark.parametrize(
    "code",
    [
        "import nlpseq, nlpseq.config, nlpseq.metrics, nlpseq.runtime.replay, nlpseq.runtime.streaming",
        "import nlpseq.data.sources, nlpseq.data.cache, nlpseq.data.batches, nlpseq.text.tokenizers",
        "import nlpseq.text.segmentation, nlpseq.text.vocabulary, nlpseq.report.model_card",
        "from nlpseq.cli import main\ntry:\n    main(['--help'])\nexcept SystemExit:\n    print()",
        "from nlpseq.cli import main\ntry:\n    main(['translate', '--help'])\nexcept SystemExit:\n    print()",
    ],
)
def test_nothing_heavy_is_loaded(code: str) -> None:
    assert loaded_by(code) == set()


def test_the_source_tree_has_all_packages() -> None:
    """After ``pip install .`` in a clone, the clone's ``nlpseq`` hides the installed one in this folder."""
    find = "import importlib.util, sys; print(importlib.util.find_spec(sys.argv[1]).origin)"
    for folder in ("tasks", "saved_models"):
        # -S: without what is installed.
        command = [sys.executable, "-S", "-c", find, f"nlpseq.{folder}"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        assert Path(done.stdout.strip()).resolve() == ROOT / folder / "__init__.py"


def test_all_packages_are_installed() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    folders = {package: ROOT / package.replace(".", "/") for package in settings["packages"]}
    folders |= {package: ROOT / folder for package, folder in settings["package-dir"].items()}
    assert all((folder / "__init__.py").is_file() for folder in folders.values())
    in_tree = {file.parent for top in ("nlpseq", "tasks", "saved_models") for file in (ROOT / top).rglob("__init__.py")}
    assert {folder.resolve() for folder in folders.values()} == {folder.resolve() for folder in in_tree}
