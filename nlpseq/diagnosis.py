"""``nlpseq doctor`` says what this machine has, and how to mend what is missing."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from nlpseq.data.cache import cache_folder

_USING = ("click", "numpy", "ai-edge-litert")
_TRAINING = ("tensorflow", "keras", "sentencepiece", "sacrebleu", "sacremoses", "matplotlib", "tqdm")
_CORPORA = ("tensorflow-datasets",)
_LEAST_FREE_BYTES = 1 << 30


@dataclass(frozen=True)
class Check:
    """One finding; ``advice`` says what to do where it is not fine."""

    what: str
    found: str
    fine: bool = True
    advice: str = ""


def diagnose() -> Iterator[Check]:
    """Yields all checks. Nothing is imported, and nothing is sent over a network."""
    yield Check("Python", sys.version.split()[0], sys.version_info >= (3, 11), "install Python 3.11 or newer")
    yield Check("cores", str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()))
    versions = {package: _version(package) for package in (*_USING, *_TRAINING, *_CORPORA)}
    for package in _USING:
        yield Check(package, versions[package] or "not installed", bool(versions[package]), "pip install nlpseq")
    trains = any(versions[package] for package in ("tensorflow", "keras"))
    for package in _TRAINING:
        # Without all of them models can be used; with some of them somebody wants to train, and cannot.
        missing = f"not installed; only training needs it: {_advice('train')}" if not trains else "not installed"
        yield Check(package, versions[package] or missing, bool(versions[package]) or not trains, _advice("train"))
    for package in _CORPORA:
        yield Check(package, versions[package] or f"not installed; only tfds: SPECs need it: {_advice('tfds')}")
    if trains:
        backend = os.environ.get("KERAS_BACKEND", "tensorflow")
        yield Check("Keras backend", backend, backend == "tensorflow", "unset KERAS_BACKEND")
    if versions["tensorflow"]:
        yield _conversion(versions["tensorflow"])
    for what, folder in (("free disk here", Path.cwd()), ("free disk for the cache", _existing(cache_folder()))):
        free = shutil.disk_usage(folder).free
        yield Check(what, f"{free / 1e9:.1f} GB", free > _LEAST_FREE_BYTES, "make space")
    cache = cache_folder()
    used = sum(file.stat().st_size for file in cache.rglob("*") if file.is_file()) if cache.is_dir() else 0
    yield Check("cache of encoded data", f"{used / 1e6:.0f} MB in {cache}; may be deleted at any time")


def _conversion(version: str) -> Check:
    """Whether this TensorFlow can make ``.tflite`` files; a later one will come without that part."""
    spec = importlib.util.find_spec("tensorflow")
    folders = (spec and spec.submodule_search_locations) or ()
    if any((Path(folder) / "lite" / "python" / "lite.py").is_file() for folder in folders):
        return Check("export to .tflite", "TensorFlow has the converter, tf.lite")
    found = (
        f"TensorFlow {version} has no tf.lite: no .tflite can be made, neither by nlpseq export nor at the end of "
        "train-task; training, evaluating and the SavedModel do not need it"
    )
    return Check("export to .tflite", found, False, "pip install 'tensorflow<2.22'")


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _advice(extra: str) -> str:
    return f"pip install 'nlpseq[{extra}]'"


def _existing(folder: Path) -> Path:
    return folder if folder.exists() else _existing(folder.parent)
