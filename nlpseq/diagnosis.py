"""``nlpseq doctor``: what this machine has, and how to mend what is missing."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from nlpseq.data.cache import cache_folder

_NEEDED = {
    "click": "",
    "numpy": "",
    "ai-edge-litert": "",
    "tensorflow": "train",
    "keras": "train",
    "sentencepiece": "train",
    "sacrebleu": "train",
    "sacremoses": "train",
    "matplotlib": "train",
    "tqdm": "train",
    "tensorflow-datasets": "tfds",
}
_LEAST_FREE_BYTES = 1 << 30


@dataclass(frozen=True)
class Check:
    """One finding; ``advice`` says what to do where it is not fine."""

    what: str
    found: str
    fine: bool = True
    advice: str = ""


def diagnose() -> Iterator[Check]:
    """All checks. Nothing is imported and nothing is sent over a network."""
    yield Check("Python", sys.version.split()[0], sys.version_info >= (3, 11), "install Python 3.11 or newer")
    yield Check("cores", str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()))
    for package, extra in _NEEDED.items():
        try:
            yield Check(package, importlib.metadata.version(package))
        except importlib.metadata.PackageNotFoundError:
            name = f"nlpseq[{extra}]" if extra else "nlpseq"
            yield Check(package, "not installed", extra == "tfds", f"pip install '{name}'")
    backend = os.environ.get("KERAS_BACKEND", "tensorflow")
    yield Check("Keras backend", backend, backend == "tensorflow", "unset KERAS_BACKEND")
    for what, folder in (("free disk here", Path.cwd()), ("free disk for the cache", _existing(cache_folder()))):
        free = shutil.disk_usage(folder).free
        yield Check(what, f"{free / 1e9:.1f} GB", free > _LEAST_FREE_BYTES, "make space")
    cache = cache_folder()
    used = sum(file.stat().st_size for file in cache.rglob("*") if file.is_file()) if cache.is_dir() else 0
    yield Check("cache of encoded data", f"{used / 1e6:.0f} MB in {cache}; may be deleted at any time")


def _existing(folder: Path) -> Path:
    return folder if folder.exists() else _existing(folder.parent)
