"""The vocabulary of a model: its tokenisers and its labels, and the files that they are kept in."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path

from nlpseq.atomic_files import write_text
from nlpseq.errors import UserError
from nlpseq.text import tokenizers
from nlpseq.text.tokenizers import Tokenizer
from nlpseq.text.unicode import without_surrogates

_FILE = "vocabulary.json"
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")  # of a tokeniser; it is the name of a file too, so it must not be a path


@dataclass(frozen=True)
class Vocabulary:
    """All that turns a task's text into ids and back.

    Attributes:
        tokenizers: by name, such as "source"; letters, digits, "_" and "-".
        labels: of a classifier, in the order of its outputs.
    """

    tokenizers: dict[str, Tokenizer]
    labels: tuple[str, ...] = ()

    def digest(self) -> str:
        """Returns a name for this content: two vocabularies of one digest are equal."""
        parts = [f"{name}={tokenizer.digest()}" for name, tokenizer in sorted(self.tokenizers.items())]
        return hashlib.blake2b(repr((parts, self.labels)).encode(), digest_size=16).hexdigest()

    def save(self, folder: Path) -> None:
        """Writes ``vocabulary.json``, and each tokeniser once, under the first of its names."""
        files: dict[str, str] = {}
        first: dict[str, str] = {}
        for name, tokenizer in sorted(self.tokenizers.items()):
            files[name] = first.setdefault(tokenizer.digest(), name)
            if files[name] == name:
                tokenizers.save(tokenizer, folder, name)
        facts = {"tokenizers": files, "labels": self.labels}
        write_text(folder / _FILE, json.dumps(facts, ensure_ascii=False, indent=1))  # last: now all is there

    @staticmethod
    def files(folder: Path) -> frozenset[str]:
        """Returns the names of the files that :meth:`save` wrote into a folder; none where it is no such folder."""
        try:
            names, _ = _facts((folder / _FILE).read_bytes())
        except (OSError, ValueError, RecursionError):
            return frozenset()
        return frozenset({_FILE, *(f"{name}.{suffix}" for name in names for suffix in ("model", "json"))})

    @classmethod
    def load(cls, folder: Path) -> Vocabulary:
        """Reads what :meth:`save` wrote.

        Raises:
            UserError: a file is missing, damaged or cannot be read.
        """
        file = folder / _FILE
        try:
            files, labels = _facts(file.read_bytes())
        except FileNotFoundError:
            raise UserError(f"{folder}: {_FILE} is missing: this is not a complete model folder") from None
        except OSError as error:
            raise UserError(f"{file}: cannot be read: {error.strerror}") from None
        except (ValueError, RecursionError):
            raise UserError(f"{file}: damaged: copy the model folder again, or train it again") from None
        loaded = {name: tokenizers.load(folder, name) for name in sorted(set(files.values()))}
        return cls({name: loaded[kept_as] for name, kept_as in files.items()}, labels)


def _facts(content: bytes) -> tuple[dict[str, str], tuple[str, ...]]:
    """Returns the files of the tokenisers by name, and the labels.

    Raises:
        ValueError: the content is not what :meth:`Vocabulary.save` writes.
    """
    match json.loads(content):
        case {"tokenizers": dict(files), "labels": list(labels)}:
            names = [*files, *files.values()]
            if all(isinstance(name, str) and _NAME.fullmatch(name) for name in names) and all(map(_is_text, labels)):
                return files, tuple(labels)
    raise ValueError("not a vocabulary")


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value == without_surrogates(value)
