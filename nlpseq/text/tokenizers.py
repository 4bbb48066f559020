"""Tokenisers: text to ids and back. Nothing is unencodable: what the vocabulary lacks is spelt in UTF-8 bytes.

Every tokeniser reserves the same four ids, so that models need no table: 0 padding, 1 unknown (never produced, because
of the bytes), 2 begin of sequence, 3 end of sequence.
"""

from __future__ import annotations

import abc
import hashlib
import io
import json
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

from nlpseq.errors import MissingExtraError, UserError
from nlpseq.atomic_files import write_bytes

PAD, UNKNOWN, BEGIN, END = range(4)
FIRST_BYTE = 4
_FIRST_CHARACTER = FIRST_BYTE + 256

# A unigram model has learnt all it can from this much text; more only costs minutes.
_TRAINING_CHARACTERS = 20_000_000
_SENTENCE_BYTES = 4_000  # SentencePiece leaves out longer "sentences"; long texts are cut at spaces


class Tokenizer(abc.ABC):
    """Encodes text as ids without begin or end marks, and decodes any ids without failing."""

    kind: ClassVar[str]
    vocabulary_size: int

    @abc.abstractmethod
    def encode(self, text: str) -> list[int]:
        """Ids of the text, all >= 4."""

    @abc.abstractmethod
    def decode(self, ids: Sequence[int]) -> str:
        """The text; reserved ids are left out and invalid UTF-8 becomes U+FFFD."""

    @abc.abstractmethod
    def pieces(self, ids: Sequence[int]) -> list[str]:
        """A printable name for each id."""

    @abc.abstractmethod
    def to_bytes(self) -> bytes:
        """The file that :func:`load` reads."""

    def digest(self) -> str:
        """A name for this very vocabulary: what a cache of ids is keyed by."""
        return hashlib.blake2b(self.to_bytes(), digest_size=16).hexdigest()


class Characters(Tokenizer):
    """One id a Unicode code point; code points outside of the vocabulary become their UTF-8 bytes."""

    kind = "characters"

    def __init__(self, characters: Sequence[str]) -> None:
        self.characters = list(characters)
        self.vocabulary_size = _FIRST_CHARACTER + len(self.characters)
        self._ids = {character: _FIRST_CHARACTER + index for index, character in enumerate(self.characters)}

    @classmethod
    def train(cls, texts: Iterable[str], vocabulary_size: int) -> Characters:
        """The most frequent characters, at most ``vocabulary_size`` of them, in code point order."""
        counts: Counter[str] = Counter()
        for text in texts:
            counts.update(text)
        frequent = sorted(counts, key=lambda character: (-counts[character], character))[:vocabulary_size]
        # A lone surrogate is not Unicode text: it has no UTF-8 and cannot be stored.
        return cls(sorted(character for character in frequent if not "\ud800" <= character <= "\udfff"))

    def encode(self, text: str) -> list[int]:
        try:
            return [self._ids[character] for character in text]
        except KeyError:
            return self._encode_with_bytes(text)

    def _encode_with_bytes(self, text: str) -> list[int]:
        ids: list[int] = []
        for character in text:
            known = self._ids.get(character)
            if known is not None:
                ids.append(known)
            else:
                ids.extend(FIRST_BYTE + byte for byte in character.encode("utf-8", errors="replace"))
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        encoded = bytearray()
        for index in ids:
            if index >= _FIRST_CHARACTER:
                encoded += self.characters[index - _FIRST_CHARACTER].encode()
            elif index >= FIRST_BYTE:
                encoded.append(index - FIRST_BYTE)
        return encoded.decode("utf-8", errors="replace")

    def pieces(self, ids: Sequence[int]) -> list[str]:
        return [self._piece(index) for index in ids]

    def _piece(self, index: int) -> str:
        if index >= _FIRST_CHARACTER:
            return self.characters[index - _FIRST_CHARACTER]
        return f"<0x{index - FIRST_BYTE:02X}>" if index >= FIRST_BYTE else ("<pad>", "<unk>", "<s>", "</s>")[index]

    def to_bytes(self) -> bytes:
        return json.dumps({"kind": self.kind, "characters": self.characters}, ensure_ascii=False, indent=0).encode()


class SentencePiece(Tokenizer):
    """SentencePiece unigram pieces with byte fallback (Kudo 2018, arXiv:1804.10959)."""

    kind = "sentencepiece"

    def __init__(self, model: bytes) -> None:
        library = _sentencepiece()
        try:
            if not model:  # the library takes this for "no model given"
                raise RuntimeError("empty")
            self._processor = library.SentencePieceProcessor(model_proto=model)
        except RuntimeError:
            raise UserError("the tokeniser file is not a SentencePiece model: is it damaged?") from None
        self._model = model
        self.vocabulary_size = self._processor.vocab_size()

    @classmethod
    def train(cls, texts: Iterable[str], vocabulary_size: int, normalization: str = "nmt_nfkc") -> SentencePiece:
        """Learns pieces from the texts; the same texts in the same order give the same model.

        Raises:
            UserError: there is no text to learn from.
        """
        library = _sentencepiece()
        model = io.BytesIO()
        try:
            library.SentencePieceTrainer.train(
                sentence_iterator=iter(_training_sentences(texts)),
                model_writer=model,
                model_type="unigram",
                vocab_size=vocabulary_size,
                hard_vocab_limit=False,  # a small corpus has fewer pieces to give
                byte_fallback=True,
                character_coverage=0.9999,
                normalization_rule_name=normalization,
                pad_id=PAD,
                unk_id=UNKNOWN,
                bos_id=BEGIN,
                eos_id=END,
                max_sentence_length=2 * _SENTENCE_BYTES,
                num_threads=1,  # sums of floats depend on how the threads share the work
                minloglevel=2,
            )
        except RuntimeError as error:
            reason = str(error).splitlines()[0]
            raise UserError(
                f"no tokeniser can be learnt from this text with tokenizer.vocabulary_size {vocabulary_size} "
                f"(it needs at least all characters and 260 more): {reason}"
            ) from None
        return cls(model.getvalue())

    def encode(self, text: str) -> list[int]:
        return self._processor.encode(text.encode("utf-8", errors="replace").decode())

    def decode(self, ids: Sequence[int]) -> str:
        return self._processor.decode([int(index) for index in ids if index != UNKNOWN])

    def pieces(self, ids: Sequence[int]) -> list[str]:
        return [self._processor.id_to_piece(int(index)) for index in ids]

    def to_bytes(self) -> bytes:
        return self._model


def save(tokenizer: Tokenizer, folder: Path, name: str) -> None:
    """Writes ``name.model`` (SentencePiece) or ``name.json`` (characters)."""
    suffix = "model" if tokenizer.kind == SentencePiece.kind else "json"
    write_bytes(folder / f"{name}.{suffix}", tokenizer.to_bytes())


def load(folder: Path, name: str) -> Tokenizer:
    """Reads what :func:`save` wrote.

    Raises:
        UserError: the file is missing or damaged.
    """
    if (file := folder / f"{name}.model").exists():
        try:
            return SentencePiece(file.read_bytes())
        except UserError as error:
            raise UserError(f"{file}: {error}") from None
    file = folder / f"{name}.json"
    try:
        return Characters(json.loads(file.read_bytes())["characters"])
    except FileNotFoundError:
        raise UserError(f"{folder}: the tokeniser '{name}' is missing: the model folder is not complete") from None
    except (ValueError, KeyError, TypeError):
        raise UserError(f"{file}: damaged: copy the model folder again, or train it again") from None


def _training_sentences(texts: Iterable[str]) -> list[str]:
    """All sentences, or an even sample of a large corpus: those whose hash is below a limit that halves as needed."""
    kept: list[tuple[int, str]] = []
    characters, limit = 0, 1 << 32
    for text in texts:
        for sentence in _cut_at_spaces(text):
            encoded = sentence.encode("utf-8", errors="replace")  # a lone surrogate becomes "?"
            hashed = zlib.crc32(encoded)
            if hashed >= limit:
                continue
            kept.append((hashed, encoded.decode()))
            characters += len(sentence)
            while characters > _TRAINING_CHARACTERS:
                limit //= 2
                kept = [pair for pair in kept if pair[0] < limit]
                characters = sum(len(sentence) for _, sentence in kept)
    return [sentence for _, sentence in kept]


def _cut_at_spaces(text: str) -> Iterator[str]:
    for line in text.splitlines():
        while len(line) > _SENTENCE_BYTES // 4:
            cut = line.rfind(" ", 0, _SENTENCE_BYTES // 4)
            cut = cut if cut > 0 else _SENTENCE_BYTES // 4
            yield line[:cut]
            line = line[cut:]
        if line.strip():
            yield line


def _sentencepiece() -> Any:
    try:
        import sentencepiece
    except ImportError:
        raise MissingExtraError("sentencepiece") from None
    return sentencepiece
