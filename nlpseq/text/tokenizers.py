"""Tokenisers turn text into ids and ids into text. What the vocabulary lacks is spelt in UTF-8 bytes.

Every tokeniser reserves the same four ids, so that models need no table: 0 is padding, 1 is unknown (no text has it,
because there are the bytes), 2 is the beginning of a sequence (BOS) and 3 its end (EOS). A lone surrogate counts as
U+FFFD.
"""

from __future__ import annotations

import abc
import atexit
import hashlib
import io
import json
import os
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from queue import SimpleQueue
from random import Random
from typing import Any, ClassVar

from nlpseq.atomic_files import write_bytes
from nlpseq.errors import MissingExtraError, UserError
from nlpseq.text.training_texts import SENTENCE_BYTES, TrainingTexts
from nlpseq.text.unicode import without_surrogates

PAD, UNKNOWN, BOS, EOS = range(4)
FIRST_BYTE = 4
_SMOOTHING = 0.2  # of the probabilities that pieces are sampled by: 0 makes all cuts equally probable
_FIRST_CHARACTER = FIRST_BYTE + 256
_INTERRUPTED = 130  # exit code

_RESERVED_BY_TRAINER = "\u2585"  # the trainer writes it for unknown characters, and leaves out texts that have it


class Tokenizer(abc.ABC):
    """Encodes any text and decodes any ids. It adds no BOS and no EOS."""

    kind: ClassVar[str]
    vocabulary_size: int

    @abc.abstractmethod
    def encode(self, text: str) -> list[int]:
        """Returns the ids of the text, all >= 4."""

    def encode_all(self, texts: Sequence[str]) -> list[list[int]]:
        """Returns the ids of each text; faster than one by one where the tokenizer's library has a way."""
        return [self.encode(text) for text in texts]

    @abc.abstractmethod
    def decode(self, ids: Sequence[int]) -> str:
        """Returns the text. Reserved ids are left out, and bytes that are not UTF-8 become U+FFFD."""

    @abc.abstractmethod
    def pieces(self, ids: Sequence[int]) -> list[str]:
        """Returns a name for each id, for people to read."""

    @abc.abstractmethod
    def to_bytes(self) -> bytes:
        """Returns the content of the file that :func:`load` reads."""

    def has_pieces_of(self, other: Tokenizer) -> bool:
        """Says whether each id means the same in both, so that a model may share its embeddings."""
        ids = range(self.vocabulary_size)
        return self.vocabulary_size == other.vocabulary_size and self.pieces(ids) == other.pieces(ids)

    def all_pieces(self) -> tuple[str, ...]:
        """Returns the piece of each id."""
        return tuple(self.pieces(range(self.vocabulary_size)))

    def ids_in(self, other: Tokenizer) -> list[int]:
        """Returns for each id the one of the same piece in another tokenizer; 0 where it has none."""
        ids = dict(zip(other.all_pieces(), range(other.vocabulary_size), strict=True))
        return [ids.get(piece, PAD) for piece in self.all_pieces()]

    def digest(self) -> str:
        """Returns a name for this content: two tokenisers of one digest are equal."""
        return hashlib.blake2b(self.to_bytes(), digest_size=16).hexdigest()


class Characters(Tokenizer):
    """One id per code point of the vocabulary. Other code points become their UTF-8 bytes.

    Attributes:
        ids: the id of each character that has one.

    Args:
        characters: the vocabulary, each once.
        either_case: a letter that is there in one case only is read in both, such as those of DNA.
        spelt: the bytes that the learnt texts have for other characters; None where that is not known.

    Raises:
        ValueError: one of them is not a character, or there twice.
    """

    kind = "characters"

    def __init__(
        self, characters: Sequence[str], *, either_case: bool = False, spelt: Iterable[int] | None = None
    ) -> None:
        self.characters = list(characters)
        self.either_case = either_case
        self.spelt = None if spelt is None else frozenset(spelt)
        if not all(map(_is_character, self.characters)) or len(set(self.characters)) < len(self.characters):
            raise ValueError("a vocabulary of characters has each character once")
        self.vocabulary_size = _FIRST_CHARACTER + len(self.characters)
        self.ids = {character: _FIRST_CHARACTER + index for index, character in enumerate(self.characters)}
        if either_case:
            for character in self.characters:
                for other in (character.lower(), character.upper()):
                    if _is_character(other):
                        self.ids.setdefault(other, self.ids[character])

    @classmethod
    def train(cls, texts: Iterable[str], vocabulary_size: int, *, either_case: bool = False) -> Characters:
        """Learns the most frequent characters of the texts: at most ``vocabulary_size``, in code point order."""
        counts: Counter[str] = Counter()
        for text in texts:
            counts.update(without_surrogates(text))
        by_frequency = sorted(counts, key=lambda character: (-counts[character], character))
        rare = "".join(by_frequency[vocabulary_size:])
        return cls(sorted(by_frequency[:vocabulary_size]), either_case=either_case, spelt=rare.encode())

    @classmethod
    def from_bytes(cls, content: bytes) -> Characters:
        """Reads what :meth:`to_bytes` returns.

        Raises:
            ValueError, RecursionError: the content is something else.
        """
        match json.loads(content):
            case {"characters": list(characters), "either_case": bool(either_case), "spelt": list(spelt)}:
                if not all(isinstance(byte, int) for byte in spelt):
                    raise ValueError("bytes are numbers")
                return cls(characters, either_case=either_case, spelt=spelt)
            case {"characters": list(characters)}:  # of nlpseq 0.1
                return cls(characters)
        raise ValueError("not a vocabulary of characters")

    def never_learnt(self) -> list[int]:
        """Returns the ids that no learnt text has, so that a model knows nothing of them."""
        spelt = range(256) if self.spelt is None else self.spelt
        return [*range(FIRST_BYTE), *(FIRST_BYTE + byte for byte in range(256) if byte not in spelt)]

    def encode(self, text: str) -> list[int]:
        try:
            return [self.ids[character] for character in text]
        except KeyError:
            return self._encode_with_bytes(text)

    def _encode_with_bytes(self, text: str) -> list[int]:
        ids: list[int] = []
        for character in without_surrogates(text):
            known = self.ids.get(character)
            if known is not None:
                ids.append(known)
            else:
                ids.extend(FIRST_BYTE + byte for byte in character.encode())
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
        content: dict[str, Any] = {"kind": self.kind, "characters": self.characters}
        if self.spelt is not None:
            content |= {"either_case": self.either_case, "spelt": sorted(self.spelt)}
        return json.dumps(content, ensure_ascii=False, indent=0).encode()


class SentencePiece(Tokenizer):
    """SentencePiece unigram pieces with byte fallback (Kudo 2018, arXiv:1804.10959).

    Args:
        model: the content of a SentencePiece model file.

    Raises:
        UserError: it is not such a file, or its reserved ids are not those of this module.
    """

    kind = "sentencepiece"

    def __init__(self, model: bytes) -> None:
        library = _sentencepiece()
        try:
            if not model:  # the library takes this for "no model given"
                raise RuntimeError("empty")
            self._processor = library.SentencePieceProcessor(model_proto=model)
            self.vocabulary_size = self._processor.vocab_size()
            self.pieces(range(self.vocabulary_size))  # fails here, not later, where a piece is not UTF-8
        except (RuntimeError, UnicodeDecodeError):
            raise UserError("the tokeniser file is not a SentencePiece model: is it damaged?") from None
        library_ids = [getattr(self._processor, f"{name}_id")() for name in ("pad", "unk", "bos", "eos")]
        if library_ids != [PAD, UNKNOWN, BOS, EOS]:
            raise UserError(
                f"the SentencePiece model has the ids {library_ids} for padding, unknown, BOS and EOS; "
                f"train it with {[PAD, UNKNOWN, BOS, EOS]}"
            )
        self._model = model

    @classmethod
    def train(cls, texts: Iterable[str], vocabulary_size: int, normalization: str = "nmt_nfkc") -> SentencePiece:
        """Learns pieces from the texts. The same texts in the same order give the same model.

        Each digit is a piece of its own, so that a figure is read and written digit by digit.

        Raises:
            UserError: there is no text to learn from.
        """
        library = _sentencepiece()
        model = io.BytesIO()
        sentences = (text.replace(_RESERVED_BY_TRAINER, " ") for text in TrainingTexts(texts))
        try:
            _interruptible(
                library.SentencePieceTrainer.train,
                sentence_iterator=sentences,
                model_writer=model,
                model_type="unigram",
                vocab_size=vocabulary_size,
                hard_vocab_limit=False,  # a small corpus has fewer pieces to give
                byte_fallback=True,
                character_coverage=0.9999,
                split_digits=True,
                required_chars="0123456789",
                normalization_rule_name=normalization,
                pad_id=PAD,
                unk_id=UNKNOWN,
                bos_id=BOS,
                eos_id=EOS,
                max_sentence_length=2 * SENTENCE_BYTES,
                num_threads=1,  # the order of adding floats, and so the model, depends on the number of threads
                minloglevel=2,
            )
        except RuntimeError as error:
            reason = str(error).splitlines()[0]
            raise UserError(
                f"no tokeniser can be learnt from this text with tokenizer.vocabulary_size {vocabulary_size} "
                f"(it needs at least all characters and 260 more): {reason}"
            ) from None
        return cls(model.getvalue())

    def with_normalization(self, rule: str) -> SentencePiece:
        """Returns the same pieces with the same ids, for texts that go through another rule first."""
        proto = model_proto().FromString(self._model)
        rules = model_proto().FromString(_normalizer(rule).serialized_model_proto()).normalizer_spec
        proto.normalizer_spec.name = rules.name
        proto.normalizer_spec.precompiled_charsmap = rules.precompiled_charsmap
        return SentencePiece(proto.SerializeToString(deterministic=True))

    def encode(self, text: str) -> list[int]:
        return self._processor.encode(without_surrogates(text))

    def encode_all(self, texts: Sequence[str]) -> list[list[int]]:
        return self._processor.encode([without_surrogates(text) for text in texts], num_threads=1)

    def encode_sampled(self, texts: Sequence[str], rate: float, draw: Random) -> list[list[int]]:
        """Returns ids of texts, of which a part is cut into other pieces than the most probable ones.

        They are sampled from all that make up the text (Kudo 2018, section 3.3, with all candidates).

        Args:
            texts: any.
            rate: the part that is cut otherwise.
            draw: what is drawn depends on it alone.
        """
        _sentencepiece().set_random_generator_seed(draw.randrange(1 << 31))
        return [
            self._processor.encode(
                without_surrogates(text), enable_sampling=draw.random() < rate, alpha=_SMOOTHING, nbest_size=-1
            )
            for text in texts
        ]

    def decode(self, ids: Sequence[int]) -> str:
        return self._processor.decode([int(index) for index in ids if index != UNKNOWN])

    def pieces(self, ids: Sequence[int]) -> list[str]:
        return [self._processor.id_to_piece(int(index)) for index in ids]

    def to_bytes(self) -> bytes:
        return self._model


def normalized(texts: Iterable[str], rule: str) -> Iterator[str]:
    """Returns the texts as SentencePiece's rule leaves them, before pieces are looked for."""
    return map(_normalizer(rule).normalize, texts)


def model_proto() -> Any:
    """Returns the class that reads and writes SentencePiece's files.

    Raises:
        MissingExtraError: protobuf is not installed.
    """
    try:
        from sentencepiece import sentencepiece_model_pb2
    except ImportError:
        raise MissingExtraError("protobuf") from None
    module: Any = sentencepiece_model_pb2  # made when it is imported: type checkers see nothing in it
    return module.ModelProto


def save(tokenizer: Tokenizer, folder: Path, name: str) -> None:
    """Writes ``name.model`` (SentencePiece) or ``name.json`` (characters)."""
    suffix = "model" if tokenizer.kind == SentencePiece.kind else "json"
    write_bytes(folder / f"{name}.{suffix}", tokenizer.to_bytes())


def load(folder: Path, name: str) -> Tokenizer:
    """Reads what :func:`save` wrote.

    Raises:
        UserError: the file is missing, damaged or cannot be read.
    """
    file = folder / f"{name}.model"
    if not file.exists():
        file = folder / f"{name}.json"
    try:
        content = file.read_bytes()
        if file.suffix == ".model":
            return SentencePiece(content)
        return Characters.from_bytes(content)
    except FileNotFoundError:
        raise UserError(f"{folder}: the tokeniser '{name}' is missing: the model folder is not complete") from None
    except OSError as error:
        raise UserError(f"{file}: cannot be read: {error.strerror}") from None
    except UserError as error:
        raise UserError(f"{file}: {error}") from None
    except (ValueError, RecursionError):
        raise UserError(f"{file}: damaged: copy the model folder again, or train it again") from None


def _is_character(value: object) -> bool:
    return isinstance(value, str) and len(value) == 1 and value == without_surrogates(value)


def _interruptible(function: Callable[..., Any], **arguments: Any) -> None:
    """Calls a function that does not hear of signals, in a thread, so that an interrupt ends the waiting for it."""
    outcome: SimpleQueue[BaseException | None] = SimpleQueue()

    def run() -> None:
        try:
            function(**arguments)
        except BaseException as error:
            outcome.put(error)
        else:
            outcome.put(None)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        error = outcome.get()
    except KeyboardInterrupt:
        atexit.register(_leave_behind, thread)
        raise
    if error is not None:
        raise error


def _leave_behind(thread: threading.Thread) -> None:
    """Ends an interrupted process whose library is still busy: to clear up around it would abort the process."""
    if thread.is_alive():
        sys.stdout.flush()
        os._exit(_INTERRUPTED)


def _normalizer(rule: str) -> Any:
    return _sentencepiece().SentencePieceNormalizer(
        rule_name=rule, add_dummy_prefix=False, escape_whitespaces=False, remove_extra_whitespaces=True
    )


def _sentencepiece() -> Any:
    try:
        import sentencepiece
    except ImportError:
        raise MissingExtraError("sentencepiece") from None
    return sentencepiece
