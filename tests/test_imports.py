"""Which way imports point."""

from __future__ import annotations

import ast
import subprocess
import sys
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
        "import nlpseq",
        "import nlpseq.cli",
        "import nlpseq.runtime.models, nlpseq.runtime.verification, nlpseq.runtime.streaming",
        "import nlpseq.data.sources, nlpseq.data.cache, nlpseq.data.batches, nlpseq.text.tokenizers",
        "from nlpseq.cli import main\ntry:\n    main(['--help'])\nexcept SystemExit:\n    print()",
        "from nlpseq.cli import main\ntry:\n    main(['translate', '--help'])\nexcept SystemExit:\n    print()",
    ],
)
def test_nothing_heavy_is_loaded(code: str) -> None:
    assert loaded_by(code) == set()


# package -> packages of ours that it must not import
FORBIDDEN = {
    "nlpseq/text": ("data", "layers", "decoding", "tasks", "training", "evaluation", "report", "cli"),
    "nlpseq/layers": ("data", "decoding", "tasks", "training", "evaluation", "report", "cli"),
    "nlpseq/data": ("layers", "decoding", "tasks", "training", "evaluation", "report", "cli"),
    "nlpseq/runtime": ("data", "layers", "decoding", "training", "export", "report", "cli"),
    "nlpseq/report": ("layers", "decoding", "tasks", "training", "cli"),
    "tasks": ("training", "cli"),
}


@pytest.mark.parametrize("package", FORBIDDEN)
def test_imports_point_one_way(package: str) -> None:
    for file in (ROOT / package).rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for name in names:
                parts = name.split(".")
                assert not (parts[0] == "nlpseq" and len(parts) > 1 and parts[1] in FORBIDDEN[package]), (file, name)
