"""Translation, and any other text-to-text task: an encoder, a decoder, and attention between them."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from operator import attrgetter
from random import Random
from typing import Any

import tensorflow as tf

from nlpseq import metrics
from nlpseq.config import DataConfig, DecodingConfig, Section, TaskConfig, TrainingConfig, setting
from nlpseq.data.augmentation import PairAugmentation, augmented_pairs
from nlpseq.data.pair_habits import PairHabits
from nlpseq.data.samples import phrasebook
from nlpseq.data.sources import Record
from nlpseq.errors import UserError
from nlpseq.layers.cross_entropy import output_cross_entropy
from nlpseq.metrics import Metric
from nlpseq.networks.encoder_decoder import EncoderDecoder, EncoderDecoderConfig
from nlpseq.programs.program import Program
from nlpseq.programs.translate import previous_pieces, search_function, translation_program
from nlpseq.runtime.predictor import Predictor
from nlpseq.runtime.questions import Answer, Question
from nlpseq.runtime.translator import Translator
from nlpseq.tasks.base import Loss, Prepared, Sequences, Task, Trained, few_examples
from nlpseq.tasks.batch_translation import translated
from nlpseq.tasks.facts import Card, TaskFacts, Teacher
from nlpseq.tasks.taught_pairs import taught_pairs
from nlpseq.text.capitals import without_capitals
from nlpseq.text.faults import loses_figures, not_written
from nlpseq.text.languages import language_name
from nlpseq.text.tokenizers import EOS, PAD, Characters, SentencePiece, Tokenizer, normalized
from nlpseq.text.training_texts import TrainingTexts, fitting_kind
from nlpseq.text.vocabulary import Vocabulary

_PICTURED = 4  # translations


@dataclass(frozen=True)
class TranslationData(DataConfig):
    train: str = setting("sample", "a SPEC: sample, tfds:NAME, FILE.tsv/.csv/.jsonl, or SOURCE,TARGET")
    valid: str = setting("", "a SPEC; empty: a part is split off by a hash of the source")
    columns: str = setting("", "names of the columns where the file does not say: source,target")
    source_language: str = setting("", "for the model card and --from, such as en")
    target_language: str = setting("", "for the model card and --to, such as fr")
    valid_fraction: float = setting(0.03, "part of the sources that is split off", minimum=0.0001, maximum=0.5)
    unit: str = setting(
        "auto",
        "what is translated at once: sentence; line; text, cut only where it is too long; auto: as most sources are",
        choices=("auto", "sentence", "line", "text"),
    )
    together: int = setting(
        0, "bytes of sentences that are translated together; 0: as pairs of several sentences have them", minimum=0
    )
    figures: str = setting(
        "auto",
        "texts without letters, such as figures and emoji, are copied or translated; auto: as in training",
        choices=("auto", "copied", "translated"),
    )
    max_length: int = setting(64, "pieces of a side; longer pairs are left out of training", minimum=4)
    unlabelled: str = setting("", "a SPEC of further texts in the source language, which a teacher translates")
    unlabelled_targets: str = setting("", "the same in the target language, for a teacher that translates back")

    @property
    def learnt_unit(self) -> str:
        """What is translated at once; text where nobody has looked at the pairs."""
        return "text" if self.unit == "auto" else self.unit


@dataclass(frozen=True)
class TranslationTokenizer(Section):
    kind: str = setting(
        "auto",
        "sentencepiece reads words and parts of words; characters suits names and codes; auto: as the sides look",
        choices=("auto", "sentencepiece", "characters"),
    )
    vocabulary_size: int = setting(6000, "pieces; more give shorter sequences and a larger file", minimum=300)
    capitals: str = setting(
        "auto",
        "sources in capitals are read in small letters, or as they are; auto: small where sources hardly have capitals",
        choices=("auto", "small", "as they are"),
    )
    shared: bool = setting(True, "one vocabulary for both sides; false where scripts differ")
    normalization: str = setting(
        "nmt_nfkc",
        "SentencePiece's rule for sources; nmt_nfkc_cf also folds case; targets are written as they are",
        choices=("nmt_nfkc", "nmt_nfkc_cf", "identity"),
    )


@dataclass(frozen=True)
class TranslationTraining(TrainingConfig):
    learning_rate: float = setting(2e-3, "with Adam", minimum=0)
    warmup_steps: int = setting(400, "Adam's second moments are poor at first; at most 5 % of the run", minimum=0)
    precision: str = setting(
        "auto",
        "bfloat16 computes in 16 bits and keeps weights in 32; auto: where layers are wide and the processor has it",
        choices=("auto", "float32", "bfloat16"),
    )
    label_smoothing: float = setting(0.1, "Szegedy 2016", minimum=0, maximum=0.9)
    teacher: str = setting(
        "", "MODEL[,MODEL...] whose translations of the sources are learnt as well (Kim & Rush 2016)"
    )
    metric: str = setting(
        "auto", "what is watched; auto: by the script and the length of the targets", choices=("auto", *metrics.WATCHED)
    )


@dataclass(frozen=True)
class TranslationDecoding(DecodingConfig):
    beam: int = setting(
        4, "hypotheses kept; 1 is greedy: half of the time, about a point of BLEU less", minimum=1, maximum=64
    )
    length_penalty: float = setting(1.0, "0 prefers short translations (Wu et al. 2016)", minimum=0, maximum=5)
    longest_factor: float = setting(2.0, "pieces of a translation for each of the source ...", minimum=0.1, maximum=10)
    longest_extra: int = setting(10, "... and so many more: there decoding gives up", minimum=1, maximum=1000)
    characters_factor: float = setting(
        0.0,
        "characters written at most, for each of the source, and 20 more; 0: 2.5, or what training targets have",
        minimum=0,
        maximum=1000,
    )


@dataclass(frozen=True)
class TranslationAugmentation(PairAugmentation):
    on: str = setting("auto", "auto: for sentences that are read in pieces", choices=("auto", "always", "never"))
    added: str = setting(
        "auto",
        "invented words are added to pairs that have none to replace; auto: where some pairs share words",
        choices=("auto", "always", "never"),
    )
    lost_figures: str = setting(
        "auto",
        "pairs whose target lacks a figure of the source are learnt or left out; auto: left out where most have it",
        choices=("auto", "learnt", "left out"),
    )


@dataclass(frozen=True)
class Config(TaskConfig):
    data: TranslationData = field(default_factory=TranslationData)
    tokenizer: TranslationTokenizer = field(default_factory=TranslationTokenizer)
    augmentation: TranslationAugmentation = field(default_factory=TranslationAugmentation)
    model: EncoderDecoderConfig = field(default_factory=EncoderDecoderConfig)
    training: TranslationTraining = field(default_factory=TranslationTraining)
    decoding: TranslationDecoding = field(default_factory=TranslationDecoding)


class TranslationTask(Task[Config]):
    """Source text to target text."""

    fewest_epochs = 15
    facts = TaskFacts(
        name="translation",
        config_type=Config,
        columns=("source", "target"),
        sequences=("source", "target"),
        metrics=metrics.translation_metrics("bleu"),
        signature="translate",
        card=Card(
            summary="Turns a text into another, as it learnt from pairs of texts: text in, text out.",
            usage='nlpseq translate --model {model} "Where is the station?"',
            own_data="PAIRS.tsv  (source TAB target)",
            limits=(
                "It translates sentence by sentence and knows nothing of the sentences around.",
                "It can leave words out, repeat them or make them up, above all in long sentences and in text unlike "
                "its training data. Do not use it where a wrong translation does harm.",
            ),
            captions={"attention.png": "Attention of each target piece (row) over the source pieces (columns)"},
        ),
    )

    @property
    def metrics(self) -> tuple[Metric, ...]:
        watched = self.config.training.metric
        return metrics.translation_metrics("bleu" if watched == "auto" else watched)

    def sample(self) -> Iterable[tuple[str, ...]]:
        return phrasebook.pairs()

    def clean(self, example: Record) -> Record:
        """With the target's letters and marks composed (NFC), which is all that is changed in a target."""
        source, target = example.fields
        if unicodedata.is_normalized("NFC", target):
            return example
        return Record((source, unicodedata.normalize("NFC", target)), example.file, example.line)

    def prepare(self, examples: Iterable[Record], base: Vocabulary | None) -> Prepared:
        if base is not None and set(base.tokenizers) != {"source", "target"}:
            raise UserError("--init-from: a translation model can only start from a translation model")
        sources, targets = TrainingTexts(), TrainingTexts()
        habits = PairHabits()
        for example in examples:
            sources.add(example.fields[0])
            targets.add(example.fields[1])
            habits.add(*example.fields)
        vocabulary = base or self._learnt(sources, targets)
        kind = vocabulary.tokenizers["target"].kind
        in_pieces = kind == SentencePiece.kind
        by_sentences = in_pieces and habits.are_sentences
        fitting = {
            "tokenizer.kind": kind,
            "tokenizer.capitals": "small" if in_pieces and habits.lack_capitals else "as they are",
            "data.unit": "sentence" if by_sentences else "text" if habits.have_lines else "line",
            "data.together": habits.together if by_sentences else 0,
            "data.figures": "copied" if habits.copies_figures else "translated",
            "model.copying": "always",
            "augmentation.on": "always" if by_sentences else "never",
            "augmentation.lost_figures": "left out" if habits.keep_figures else "learnt",
            "augmentation.added": "always" if habits.share_words else "never",
            "decoding.characters_factor": habits.characters_factor,
            "training.metric": metrics.fitting_translation_metric(habits.targets or [""]),
        }
        settings = {key: value for key, value in fitting.items() if attrgetter(key)(self.config) in ("auto", 0)}
        return Prepared(vocabulary, settings, few_examples(habits.pairs))

    def _learnt(self, sources: TrainingTexts, targets: TrainingTexts) -> Vocabulary:
        config = self.config.tokenizer
        kind, size, rule = config.kind, config.vocabulary_size, config.normalization
        if kind == "auto":
            kind = fitting_kind((sources, targets), self.config.data.max_length - 1)
        source: Tokenizer
        target: Tokenizer
        if kind == Characters.kind:
            source = target = Characters.train(chain(sources, targets), size)
            if not config.shared:
                source, target = Characters.train(sources, size), Characters.train(targets, size)
        elif config.shared:
            target = pieces = SentencePiece.train(chain(normalized(sources, rule), targets), size, "identity")
            source = pieces.with_normalization(rule)
        else:
            source, target = SentencePiece.train(sources, size, rule), SentencePiece.train(targets, size, "identity")
        return Vocabulary({"source": source, "target": target})

    @property
    def versions(self) -> int:
        return self.config.augmentation.versions if self._is_augmented() else 1

    def augmented(self, examples: list[Record], first: int, version: int) -> list[Record]:
        if not self._is_augmented():
            return examples
        augmentation = self.config.augmentation
        add, seed = augmentation.added == "always", self.config.training.seed
        return list(augmented_pairs(examples, augmentation, seed=seed, version=version, first=first, add=add))

    def _as_read(self, source: str) -> str:
        return without_capitals(source) if self.config.tokenizer.capitals == "small" else source

    def read_ids(self, text: str, vocabulary: Vocabulary) -> list[int]:
        return [*super().read_ids(self._as_read(text), vocabulary), EOS]

    def _is_augmented(self) -> bool:
        return self.config.augmentation.on == "always" and self.config.augmentation.is_on()

    def lessons(self, teachers: Sequence[Teacher]) -> Iterator[Record]:
        data = self.config.data
        languages = (data.source_language, data.target_language)
        further = (data.unlabelled, data.unlabelled_targets)
        return map(self.clean, taught_pairs(self.dataset, teachers, languages, further))

    def encode(
        self, examples: Sequence[Record], vocabulary: Vocabulary, notes: dict[str, int]
    ) -> Iterable[Sequence[Sequence[int]] | None]:
        sources = [self._as_read(example.fields[0]) for example in examples]
        return self._encoded(examples, vocabulary, notes, vocabulary.tokenizers["source"].encode_all(sources))

    def encode_for_training(
        self, examples: Sequence[Record], vocabulary: Vocabulary, notes: dict[str, int], draw: Random
    ) -> Iterable[Sequence[Sequence[int]] | None]:
        if self.config.augmentation.lost_figures == "left out":
            kept = [example for example in examples if not loses_figures(*example.fields)]
            if len(kept) < len(examples):
                what = "pairs whose target lacks a figure of the source (augmentation.lost_figures) left out"
                notes[what] = notes.get(what, 0) + len(examples) - len(kept)
            examples = kept
        source, rate = vocabulary.tokenizers["source"], self.config.augmentation.other_pieces
        if not (self._is_augmented() and rate and isinstance(source, SentencePiece)):
            return self.encode(examples, vocabulary, notes)
        texts = [self._as_read(example.fields[0]) for example in examples]
        return self._encoded(examples, vocabulary, notes, source.encode_sampled(texts, rate, draw))

    def _encoded(
        self,
        examples: Sequence[Record],
        vocabulary: Vocabulary,
        notes: dict[str, int],
        sources: Iterable[list[int]],
    ) -> Iterator[Sequence[Sequence[int]] | None]:
        tokenizers, longest = vocabulary.tokenizers, self.config.data.max_length
        written: set[str] = set()  # characters of targets that the model can write
        targets = tokenizers["target"].encode_all([example.fields[1] for example in examples])
        for example, source, target in zip(examples, sources, targets, strict=True):
            if max(len(source), len(target)) >= longest:
                what = f"pairs longer than {longest} pieces (data.max_length) left out"
                notes[what] = notes.get(what, 0) + 1
                yield None
                continue
            text = example.fields[1]
            if "  " in text or not written.issuperset(text):
                lost = not_written(text, tokenizers["target"].decode(target))
                written.update([] if lost else text)
                for what in lost:
                    notes[what] = notes.get(what, 0) + 1
            yield [*source, EOS], [*target, EOS]

    def network(self, vocabulary: Vocabulary) -> EncoderDecoder:
        source, target = vocabulary.tokenizers["source"], vocabulary.tokenizers["target"]
        # A vocabulary that was taken over may be shared or not, whatever the configuration asks of a new one.
        shared = source.has_pieces_of(target)
        model = EncoderDecoder(
            self.config.model,
            source_vocabulary=source.vocabulary_size,
            target_vocabulary=target.vocabulary_size,
            shared_vocabulary=shared,
            copied_as=() if shared else source.ids_in(target),
        )
        model.build()
        return model

    def supervised(self, sequences: Sequences) -> tuple[Any, tf.Tensor, tf.Tensor]:
        source, target = sequences
        return (source, previous_pieces(target)), target, tf.cast(target != PAD, tf.float32)

    def losses(
        self, network: EncoderDecoder, sequences: Sequences, state: Any, *, training: bool = True
    ) -> tuple[dict[str, Loss], Any]:
        source, target = sequences
        readout, weights, memory = network.read_out(source, previous_pieces(target), training=training)
        real = tf.where(target != PAD)  # logits of padding would cost as much as those of words
        targets = tf.gather_nd(target, real)
        losses = output_cross_entropy(
            tf.gather_nd(readout, real),
            *network.output_weights(readout.dtype),
            targets,
            self.config.training.label_smoothing,
            network.copied(readout, weights, memory, target, real),
        )
        return {"cross_entropy": Loss(tf.reduce_sum(losses), tf.cast(tf.size(targets), tf.float32))}, state

    def program(self, network: EncoderDecoder, vocabulary: Vocabulary) -> Program:
        data = self.config.data
        languages = (data.source_language, data.target_language)
        return translation_program(
            network,
            vocabulary,
            self.config.decoding,
            data.max_length,
            capitals_as_small=self.config.tokenizer.capitals == "small",
            languages=languages if all(languages) else (),
            unit=data.learnt_unit,
            together=data.together,
            copies_figures=data.figures == "copied",
        )

    def questions(self, examples: Iterable[Record]) -> list[Question]:
        """Each source once, with all of its translations."""
        references: dict[str, list[str]] = {}
        for example in examples:
            references.setdefault(example.fields[0], []).append(example.fields[1])
        return [Question(source, tuple(targets)) for source, targets in references.items()]

    def ask(self, trained: Trained, questions: Sequence[Question], *, quick: bool = False) -> list[Answer]:
        decoding, vocabulary = self.config.decoding, trained.vocabulary
        beam = 1 if quick else decoding.beam
        search = trained.graph(("search", beam), lambda: search_function(trained.model, vocabulary, decoding, beam))
        texts = [question.text for question in questions]
        return translated(texts, self.config.data, vocabulary, self._as_read, search)

    def score(
        self, answers: Sequence[Answer], questions: Sequence[Question], *, complete: bool = True
    ) -> dict[str, Any]:
        texts, references = [answer.text for answer in answers], [question.expected for question in questions]
        watched = self.config.training.metric
        if watched == "auto":  # a file that stands alone does not know
            watched = metrics.fitting_translation_metric([text for group in references for text in group] or [""])
        return metrics.translation_scores(texts, references, watched, complete=complete)

    def purpose(self, vocabulary: Vocabulary) -> str:
        source, target = self.config.data.source_language, self.config.data.target_language
        if not (source and target):
            return self.facts.card.summary
        return f"Translates from {language_name(source)} into {language_name(target)}: text in, text out."

    def pictures(self, predictor: Predictor, examples: Sequence[Record]) -> dict[str, bytes]:
        from nlpseq.report.pictures import attention_picture

        assert isinstance(predictor, Translator)
        return {
            "attention.png": attention_picture([predictor.translate(each.fields[0]) for each in examples[:_PICTURED]])
        }
