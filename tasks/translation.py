"""Translation, and any other text-to-text task: an encoder, a decoder, and attention between them.

The decoder's first recurrent layer sees only the words before; attention asks with its states, and the layers above see
what attention found. So no step of the recurrence waits for attention, and training computes it for all target
positions at once (unlike input feeding, Luong et al. 2015, section 3.3).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from os import cpu_count
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
from nlpseq.tasks.base import Loss, Metric, Program, Signature, Task, Vocabulary

from nlpseq import evaluation
from nlpseq.config import TrainingConfig, setting
from nlpseq.data.batches import padded_batches
from nlpseq.data.samples import phrasebook
from nlpseq.data.sources import Record
from nlpseq.decoding import Hypotheses, beam_search, greedy_search
from nlpseq.errors import UserError
from nlpseq.layers.attention import AdditiveAttention, MultiplicativeAttention
from nlpseq.layers.cross_entropy import output_cross_entropy
from nlpseq.layers.regularisation import Dropout
from nlpseq.layers.stack import RecurrentStack, last_outputs
from nlpseq.runtime.results import Translation
from nlpseq.runtime.translator import Translator, joined
from nlpseq.text.in_graph import in_graph
from nlpseq.text.segmentation import Segment, is_one_sentence, rejoined, segments
from nlpseq.text.tokenizers import BEGIN, END, PAD, SentencePiece

_DECODED_TOKENS = 2048  # source pieces translated in one call, padding included
_ATTENTIONS = {"additive": AdditiveAttention, "multiplicative": MultiplicativeAttention}


@dataclass
class DataConfig:
    train: str = setting("sample", "a SPEC: sample, tfds:NAME, FILE.tsv/.csv/.jsonl, or SOURCE,TARGET")
    valid: str = setting("", "a SPEC; empty: a part is split off by a hash of the source")
    test: str = setting("", "a SPEC, evaluated once at the end")
    columns: str = setting("", "names of the columns where the file does not say: source,target")
    source_language: str = setting("", "for the model card and --from, such as en")
    target_language: str = setting("", "for the model card and --to, such as fr")
    licence: str = setting("", "terms of the data, for the model card and the exported file")
    credit: str = setting("", "whose data it is, for the model card and the exported file")
    valid_fraction: float = setting(0.03, "part of the sources that is split off", minimum=0.0001, maximum=0.5)
    unit: str = setting(
        "auto",
        "what is translated at once: sentence; text, cut only where it is too long; auto: as most training sources are",
        choices=("auto", "sentence", "text"),
    )
    max_length: int = setting(64, "pieces of a side; longer pairs are left out of training", minimum=4)


@dataclass
class TokenizerConfig:
    vocabulary_size: int = setting(6000, "pieces; more give shorter sequences and a larger file", minimum=300)
    shared: bool = setting(True, "one vocabulary for both sides; false where scripts differ")
    normalization: str = setting(
        "nmt_nfkc", "SentencePiece's rule; nmt_nfkc_cf also folds case", choices=("nmt_nfkc", "nmt_nfkc_cf", "identity")
    )


@dataclass
class ModelConfig:
    cell: str = setting("lstm", "gru is smaller, rnn is for comparison", choices=("rnn", "lstm", "gru"))
    units: int = setting(256, "of each recurrent layer and direction", minimum=1)
    embedding: int = setting(256, "size of a piece's vector", minimum=1)
    encoder_layers: int = setting(1, "stacked recurrent layers that read the source", minimum=1)
    decoder_layers: int = setting(2, "stacked recurrent layers that write; attention stands after the first", minimum=1)
    bidirectional: bool = setting(True, "the encoder reads both ways")
    attention: str = setting("multiplicative", "additive costs more memory", choices=("additive", "multiplicative"))
    tie_embeddings: bool = setting(True, "output (and, with a shared vocabulary, source) use the target's vectors")
    dropout: float = setting(0.3, "on embeddings, between layers and before the output", minimum=0, maximum=0.9)


@dataclass
class TranslationTraining(TrainingConfig):
    epochs: int = setting(15, "an upper bound; small corpora want more", minimum=1)
    learning_rate: float = setting(2e-3, "with Adam", minimum=0)
    warmup_steps: int = setting(400, "Adam's second moments are poor at first; at most 5 % of the run", minimum=0)
    label_smoothing: float = setting(0.1, "Szegedy 2016", minimum=0, maximum=0.9)


@dataclass
class Config:
    data: DataConfig = field(default_factory=DataConfig)
    tokenizer: TokenizerConfig = field(default_factory=TokenizerConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    training: TranslationTraining = field(default_factory=TranslationTraining)


class Memory(NamedTuple):
    """What the decoder looks back at.

    Attributes:
        states: float [batch, source, units], the encoder's outputs.
        keys: float [batch, source, units], their projection for attention.
        mask: bool [batch, source].
    """

    states: tf.Tensor
    keys: tf.Tensor
    mask: tf.Tensor


@keras.saving.register_keras_serializable(package="nlpseq")
class EncoderDecoder(keras.Model):
    """Recurrent encoder and decoder with attention (Bahdanau et al. 2015; Luong et al. 2015).

    Args:
        source_vocabulary, target_vocabulary: numbers of ids.
        shared_vocabulary: both sides use the same ids.
        The rest: as in :class:`ModelConfig`.

    Call arguments:
        inputs: (source int32 [batch, source], previous target ids int32 [batch, target]), padded with 0.

    Returns:
        logits: float [batch, target, target_vocabulary].
    """

    built: bool

    def __init__(
        self,
        *,
        source_vocabulary: int,
        target_vocabulary: int,
        shared_vocabulary: bool,
        cell: str,
        units: int,
        embedding: int,
        encoder_layers: int,
        decoder_layers: int,
        bidirectional: bool,
        attention: str,
        tie_embeddings: bool,
        dropout: float,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._settings = {
            "source_vocabulary": source_vocabulary,
            "target_vocabulary": target_vocabulary,
            "shared_vocabulary": shared_vocabulary,
            "cell": cell,
            "units": units,
            "embedding": embedding,
            "encoder_layers": encoder_layers,
            "decoder_layers": decoder_layers,
            "bidirectional": bidirectional,
            "attention": attention,
            "tie_embeddings": tie_embeddings,
            "dropout": dropout,
        }
        self.units, self.bidirectional = units, bidirectional
        self.target_vocabulary = target_vocabulary

        def vectors(size: int, name: str) -> keras.layers.Embedding:
            # Tied vectors are rows of the output layer as well: with this deviation logits start near 1.
            initializer = keras.initializers.RandomNormal(stddev=embedding**-0.5)
            return keras.layers.Embedding(size, embedding, embeddings_initializer=initializer, name=name)

        self.target_embedding = vectors(target_vocabulary, "target_embedding")
        share = shared_vocabulary and tie_embeddings
        self.source_embedding = self.target_embedding if share else vectors(source_vocabulary, "source_embedding")
        self.input_dropout = Dropout(dropout, name="input_dropout")
        self.encoder = RecurrentStack(
            cell, units, encoder_layers, bidirectional=bidirectional, dropout=dropout, name="encoder"
        )
        self.memory_dropout = Dropout(dropout, name="memory_dropout")
        self.first = RecurrentStack(cell, units, 1, name="decoder_first")
        self.first_dropout = Dropout(dropout, name="first_dropout")
        self.rest = (
            RecurrentStack(cell, units, decoder_layers - 1, dropout=dropout, name="decoder_rest")
            if decoder_layers > 1
            else None
        )
        self.bridge = keras.layers.Dense(
            decoder_layers * self.first.states_per_layer * units, activation="tanh", name="bridge"
        )
        self.attention = _ATTENTIONS[attention](units, name="attention")
        self.readout = keras.layers.Dense(embedding, activation="tanh", name="readout")
        self.readout_dropout = Dropout(dropout, name="readout_dropout")
        self.tied = tie_embeddings
        if not tie_embeddings:
            self.output_layer = keras.layers.Dense(target_vocabulary, use_bias=False, name="output")

    def build(self, input_shape: Any = None) -> None:
        if self.built:
            return
        if not self.tied:
            self.output_layer.build((None, self.readout.units))
        self.output_bias = self.add_weight(shape=(self.target_vocabulary,), initializer="zeros", name="output_bias")
        self.built = True
        self((tf.ones([1, 2], tf.int32), tf.ones([1, 2], tf.int32)))

    def call(self, inputs: tuple[tf.Tensor, tf.Tensor], training: bool | None = None) -> tf.Tensor:
        source, previous = inputs
        readout, _ = self.read_out(source, previous, training)
        return self.logits(readout)

    def read_out(
        self, source: tf.Tensor, previous: tf.Tensor, training: bool | None = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """All but the output layer: float [batch, target, embedding], and attention [batch, target, source]."""
        memory, states = self.encode(source, training)
        return self.decode(previous, states, memory, training)[:2]

    def encode(self, source: tf.Tensor, training: bool | None = None) -> tuple[Memory, list[tf.Tensor]]:
        """Reads the source; also the decoder's first states, each float [batch, units]."""
        mask = source != PAD
        lengths = tf.reduce_sum(tf.cast(mask, tf.int32), axis=1)
        embedded = self.input_dropout(self.source_embedding(source), training=training)
        outputs, _ = self.encoder(embedded, lengths=lengths, training=training)
        summary = last_outputs(outputs, lengths, self.units, self.bidirectional)
        # States are float32 in mixed precision too: they accumulate.
        first_states = tf.cast(self.bridge(summary), tf.float32)
        states = tf.split(first_states, self.bridge.units // self.units, axis=-1)
        outputs = self.memory_dropout(outputs, training=training)
        return Memory(outputs, self.attention.project(outputs), mask), states

    def step(self, memory: Memory, ids: tf.Tensor, states: list[tf.Tensor]) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """One step of decoding.

        Args:
            memory: of :meth:`encode`.
            ids: int32 [batch, beam], the last tokens.
            states: each float [batch, beam, units].

        Returns:
            logits: float [batch, beam, target_vocabulary], and the next states.
        """
        batch, beam = tf.shape(ids)[0], tf.shape(ids)[1]
        states = [tf.reshape(state, [batch * beam, self.units]) for state in states]
        readout, _, states = self.decode(tf.reshape(ids, [batch * beam, 1]), states, memory, False, beam)
        logits = tf.reshape(self.logits(readout), [batch, beam, self.target_vocabulary])
        return logits, [tf.reshape(state, [batch, beam, self.units]) for state in states]

    def logits(self, readout: tf.Tensor) -> tf.Tensor:
        """float [..., embedding] to float [..., target_vocabulary]."""
        weights, bias = self.output_weights(readout.dtype)
        flat = tf.matmul(tf.reshape(readout, [-1, readout.shape[-1]]), weights, transpose_b=True)
        shape = tf.concat([tf.shape(readout)[:-1], [self.target_vocabulary]], axis=0)
        return tf.reshape(flat + bias, shape)

    def output_weights(self, dtype: tf.DType) -> tuple[tf.Tensor, tf.Tensor]:
        """The output layer's weights [target_vocabulary, embedding] and bias."""
        weights = self.target_embedding.embeddings if self.tied else tf.transpose(self.output_layer.kernel)
        return tf.cast(weights, dtype), tf.cast(self.output_bias, dtype)

    def decode(
        self,
        previous: tf.Tensor,
        states: list[tf.Tensor],
        memory: Memory,
        training: bool | None = None,
        beam: Any = None,
    ) -> tuple[tf.Tensor, tf.Tensor, list[tf.Tensor]]:
        """Readout, attention weights and next states for previous ids [rows, target].

        With ``beam``, rows are batch x beam, and attention sees the beams as its target positions.
        """
        size = self.first.states_per_layer
        embedded = self.input_dropout(self.target_embedding(previous), training=training)
        asking, first_states = self.first(embedded, states=states[:size], training=training)
        query = asking if beam is None else tf.reshape(asking, [-1, beam, self.units])
        context, weights = self.attention(query, memory.states, memory.keys, memory.mask)
        if beam is not None:
            context = tf.reshape(context, [-1, 1, context.shape[-1]])
        asking = self.first_dropout(asking, training=training)
        parts, last_states = [asking, context], first_states
        if self.rest is not None:
            upper, rest_states = self.rest(tf.concat(parts, -1), states=states[size:], training=training)
            parts.append(self.first_dropout(upper, training=training))
            last_states = first_states + rest_states
        readout = self.readout(tf.concat(parts, axis=-1))
        return self.readout_dropout(readout, training=training), weights, last_states

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **self._settings}

    def get_build_config(self) -> dict[str, Any]:
        return {"input_shape": None}  # Keras builds from a config that is not empty

    def build_from_config(self, config: dict[str, Any]) -> None:
        self.build()


class TranslationTask(Task[Config]):
    """Source text to target text."""

    name = "translation"
    config_type = Config
    metric = Metric("bleu", higher_is_better=True, tolerance=0.3)
    roles = ("source", "target")
    fields = ("source", "target")
    own_data = "PAIRS.tsv  (source TAB target)"

    def sample(self) -> Iterable[tuple[str, ...]]:
        return phrasebook.pairs()

    def fit_vocabulary(self, examples: Iterable[Record]) -> Vocabulary:
        config = self.config.tokenizer
        examples = self._with_unit(examples)

        def learn(texts: Iterable[str]) -> SentencePiece:
            return SentencePiece.train(texts, config.vocabulary_size, config.normalization)

        if config.shared:
            shared = learn(text for example in examples for text in example.fields)
            return Vocabulary({"source": shared, "target": shared})
        pairs = [example.fields for example in examples]
        return Vocabulary({"source": learn(pair[0] for pair in pairs), "target": learn(pair[1] for pair in pairs)})

    def adopt_vocabulary(self, other: Vocabulary, examples: Iterable[Record]) -> Vocabulary:
        if set(other.tokenizers) != {"source", "target"}:
            raise UserError("--init-from: a translation model can only start from a translation model")
        for _ in self._with_unit(examples):
            pass
        return other

    def _with_unit(self, examples: Iterable[Record]) -> Iterator[Record]:
        """The examples; at their end it is settled what is translated at once, if that was left open."""
        single = count = 0
        for example in examples:
            count += 1
            single += is_one_sentence(example.fields[0])
            yield example
        if self.config.data.unit == "auto":
            self.config.data.unit = "sentence" if 2 * single > count else "text"

    def encode(self, example: Record, vocabulary: Vocabulary, notes: dict[str, int]) -> Sequence[Sequence[int]] | None:
        source = [*vocabulary.tokenizers["source"].encode(example.fields[0]), END]
        target = [*vocabulary.tokenizers["target"].encode(example.fields[1]), END]
        if max(len(source), len(target)) > self.config.data.max_length:
            what = f"pairs longer than {self.config.data.max_length} pieces (data.max_length) left out"
            notes[what] = notes.get(what, 0) + 1
            return None
        return source, target

    def build_model(self, vocabulary: Vocabulary) -> EncoderDecoder:
        source, target = vocabulary.tokenizers["source"], vocabulary.tokenizers["target"]
        model = EncoderDecoder(
            source_vocabulary=source.vocabulary_size,
            target_vocabulary=target.vocabulary_size,
            # An adopted vocabulary may be shared or not, whatever the configuration asks of a new one.
            shared_vocabulary=source is target or source.digest() == target.digest(),
            **vars(self.config.model),
        )
        model.build()
        return model

    def keras_batch(self, fields: tuple[tf.Tensor, ...]) -> tuple[Any, tf.Tensor, tf.Tensor]:
        source, target = fields
        return (source, _shifted(target)), target, tf.cast(target != PAD, tf.float32)

    def losses(self, model: EncoderDecoder, fields: tuple[tf.Tensor, ...], state: Any) -> tuple[dict[str, Loss], Any]:
        source, target = fields
        readout, _ = model.read_out(source, _shifted(target), training=True)
        real = tf.where(target != PAD)  # logits of padding would cost as much as those of words
        targets = tf.gather_nd(target, real)
        losses = output_cross_entropy(
            tf.gather_nd(readout, real),
            *model.output_weights(readout.dtype),
            targets,
            self.config.training.label_smoothing,
        )
        return {"cross_entropy": Loss(tf.reduce_sum(losses), tf.cast(tf.size(targets), tf.float32))}, state

    def evaluate(
        self, model: EncoderDecoder, vocabulary: Vocabulary, examples: Iterable[Record], *, final: bool = False
    ) -> dict[str, Any]:
        examples = list(examples)
        predictor = self.predictor(model, vocabulary)
        answers = predictor.scored_texts(self.questions(examples), beam=5 if final else 1)
        return self.measure(answers, vocabulary.labels, examples, complete=final)

    def make_predictor(self, model: EncoderDecoder, vocabulary: Vocabulary) -> TranslationModel:
        return TranslationModel(model, vocabulary, self.config)

    def program(self, model: EncoderDecoder, vocabulary: Vocabulary, *, beam: int = 4) -> Program:
        source, target = vocabulary.tokenizers["source"], vocabulary.tokenizers["target"]
        shared = source is target or source.digest() == target.digest()
        read = in_graph(source)
        write = read if shared else in_graph(target)
        limit = self.config.data.max_length
        # A piece has four bytes or so; whoever calls splits a text that has more.
        sizes = {"N": 8 * limit, "M": 16 * limit, "S": limit, "T": max_decoded_length(limit)}

        def translate(text: tf.Tensor, beam: int) -> dict[str, tf.Tensor]:
            rows = text.shape[0] or tf.shape(text)[0]
            with tf.name_scope("text"):
                encoded = read.encode(text, limit - 1)
            end = END * tf.one_hot(encoded.lengths, limit, dtype=tf.int32)
            source_ids = tf.pad(encoded.ids, [[0, 0], [0, 1]]) + end
            something = tf.cast(encoded.lengths > 0, tf.int32)  # nothing translates to nothing
            longest = tf.reduce_max(encoded.lengths) + 1
            given = tf.reshape(source_ids[:, :longest], [rows, -1])  # the work follows the text, not the buffer
            memory, states = model.encode(given)
            most = tf.where(encoded.lengths > 0, max_decoded_length(encoded.lengths + 1), 1)
            # A text's translation does not depend on the others in its batch; one text alone has a plain limit.
            found = _search(model, memory, states, rows, most[0] if text.shape[0] == 1 else most, beam, n_best=beam)
            ids = found.ids * something[:, None, None]
            lengths = tf.reduce_sum(tf.cast(ids != PAD, tf.int32), axis=2)
            best = ids[:, 0]
            _, weights, _ = model.decode(_shifted(best), states, memory)
            seen = tf.cast(best != PAD, tf.float32)[:, :, None]
            ids = _padded(ids, [rows, beam, sizes["T"]])
            with tf.name_scope("text"):
                written = write.decode(
                    tf.reshape(ids, [rows * beam, sizes["T"]]), tf.reshape(lengths, [rows * beam]), sizes["M"]
                )
            texts = tf.reshape(written.text, [rows, beam, sizes["M"]])
            outputs = {
                "text": texts[:, 0],
                "score": found.scores[:, 0] * tf.cast(something, tf.float32),
                "alignment": _padded(weights * seen, [rows, sizes["T"], limit]),
                "ids": ids[:, 0],
                "source_ids": source_ids * something[:, None],
                "left_out": encoded.left_out,
            }
            if beam > 1:
                outputs |= {"n_best_text": texts, "n_best_score": found.scores}
            return outputs

        return Program(
            signatures=(
                Signature("translate", lambda text: translate(text, beam), {**sizes, "B": beam}),
                Signature("translate_greedy", lambda text: translate(text, 1), sizes),
            ),
            pieces=tuple(source.pieces(range(source.vocabulary_size))),
            target_pieces=() if shared else tuple(target.pieces(range(target.vocabulary_size))),
        )

    def questions(self, examples: Iterable[Record]) -> list[str]:
        return list(_references(examples))

    def answers(
        self, model: EncoderDecoder, vocabulary: Vocabulary, questions: Sequence[str], *, beam: int = 4
    ) -> list[tuple[str, float]]:
        return self.predictor(model, vocabulary).scored_texts(questions, beam=beam)

    def file_answer(self, exported: Translator, question: str) -> tuple[str, float]:
        result = exported.translate(question)
        return result.text, result.score

    def differences(
        self, answers: Sequence[tuple[str, float]], others: Sequence[tuple[str, float]]
    ) -> dict[str, float]:
        pairs = list(zip(answers, others, strict=True))
        equal = [abs(one[1] - other[1]) for one, other in pairs if one[0] == other[0]]
        return {
            "equal_translations": len(equal) / max(len(pairs), 1),
            "max_score_difference_where_equal": max(equal, default=0.0),
            "mean_score_difference_where_equal": float(np.mean(equal)) if equal else 0.0,
        }

    def measure(
        self,
        answers: Sequence[tuple[str, float]],
        labels: tuple[str, ...],
        examples: Iterable[Record],
        *,
        complete: bool = False,
    ) -> dict[str, Any]:
        texts = [text for text, _ in answers]
        return evaluation.translation_scores(texts, list(_references(examples).values()), complete=complete)

    @staticmethod
    def usage(model: str) -> str:
        return f'nlpseq translate --model {model} "Where is the station?"'

    def demonstration(
        self, model: EncoderDecoder, vocabulary: Vocabulary, examples: Sequence[Record]
    ) -> list[tuple[str, str]]:
        texts = [example.fields[0] for example in examples]
        return list(zip(texts, self.predictor(model, vocabulary).translate_texts(texts), strict=True))

    def pictures(self, model: EncoderDecoder, vocabulary: Vocabulary, examples: Sequence[Record]) -> dict[str, bytes]:
        from nlpseq.report.pictures import attention_picture

        translations = [self.predictor(model, vocabulary).translate(example.fields[0]) for example in examples[:4]]
        return {"attention.png": attention_picture(translations)}


class TranslationModel:
    """A trained translation model, ready to use."""

    def __init__(self, model: EncoderDecoder, vocabulary: Vocabulary, config: Config) -> None:
        self._model, self._vocabulary, self._limit = model, vocabulary, config.data.max_length
        self._by_sentences = config.data.unit == "sentence"
        self._searches: dict[tuple[int, int], Any] = {}

    def translate(self, text: str, *, beam: int = 4) -> Translation:
        """The best translation; a blank text gives an empty one.

        A text goes in sentence by sentence, if that is what the model has learnt, or else in parts that are not too
        long for it.
        """
        parts = self._parts(text)
        translated = [self.n_best(part.text, beam=beam, n_best=1)[0] for part in parts]
        return joined(text, rejoined(parts, [translation.text for translation in translated]), translated)

    def n_best(self, text: str, *, beam: int = 4, n_best: int = 4) -> list[Translation]:
        """The best translations of one sentence, best first; at most ``beam``."""
        source = self._encode(text)
        found = self._search(beam, n_best)(source[None])
        results = []
        for ids, score in zip(found.ids[0].numpy(), found.scores[0].numpy(), strict=True):
            ids = ids[ids != PAD]
            weights = self._alignment(source[None], ids[None]).numpy()[0]
            target = self._vocabulary.tokenizers["target"]
            results.append(
                Translation(
                    text=target.decode(ids.tolist()),
                    score=float(score),
                    pieces=tuple(target.pieces(ids)),
                    source_pieces=tuple(self._vocabulary.tokenizers["source"].pieces(source)),
                    alignment=tuple(tuple(row) for row in weights.tolist()),
                    source=text,
                )
            )
        return results

    def translate_texts(self, texts: Sequence[str], *, beam: int = 4) -> list[str]:
        """Translates many texts at once, in batches of like lengths; results in the order given."""
        return [text for text, _ in self.scored_texts(texts, beam=beam)]

    def scored_texts(self, texts: Sequence[str], *, beam: int = 4) -> list[tuple[str, float]]:
        """:meth:`translate_texts` with scores; of a text in several parts the mean of theirs."""
        cut = [self._parts(text) for text in texts]
        batches = padded_batches([self._encode(part.text) for parts in cut for part in parts], _DECODED_TOKENS)
        search = self._search(beam, 1)
        decode = self._vocabulary.tokenizers["target"].decode

        def found(source: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            hypotheses = search(source)
            return hypotheses.ids[:, 0].numpy(), hypotheses.scores[:, 0].numpy()

        translated: dict[int, tuple[str, float]] = {}
        with ThreadPoolExecutor(cpu_count()) as pool:
            for (positions, _), (rows, scores) in zip(batches, pool.map(lambda b: found(b[1]), batches), strict=True):
                for position, ids, score in zip(positions, rows, scores.tolist(), strict=True):
                    translated[position] = decode(ids[ids != PAD].tolist()), score
        in_order = iter(range(len(translated)))
        of_texts = [[translated[next(in_order)] for _ in parts] for parts in cut]
        return [
            (rejoined(parts, [text for text, _ in found]), sum(score for _, score in found) / max(len(found), 1))
            for parts, found in zip(cut, of_texts, strict=True)
        ]

    def _parts(self, text: str) -> list[Segment]:
        encode = self._vocabulary.tokenizers["source"].encode
        return segments(text, lambda part: len(encode(part)) < self._limit, sentences=self._by_sentences)

    def _encode(self, text: str) -> np.ndarray:
        return np.array([*self._vocabulary.tokenizers["source"].encode(text), END], np.int32)

    def _search(self, beam: int, n_best: int) -> Any:
        if (beam, n_best) not in self._searches:
            self._searches[beam, n_best] = _search_function(self._model, beam, n_best)
        return self._searches[beam, n_best]

    @cached_property
    def _alignment(self) -> Any:
        ids = tf.TensorSpec([None, None], tf.int32)

        @tf.function(input_signature=[ids, ids], autograph=False)
        def alignment(source: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
            return self._model.read_out(source, _shifted(target))[1]

        return alignment


def _references(examples: Iterable[Record]) -> dict[str, list[str]]:
    """All targets of each source."""
    references: dict[str, list[str]] = {}
    for example in examples:
        references.setdefault(example.fields[0], []).append(example.fields[1])
    return references


def max_decoded_length(source_length: Any) -> Any:
    """Pieces after which decoding gives up: translations are seldom longer than twice the source."""
    return 2 * source_length + 10


def _search(
    model: EncoderDecoder,
    memory: Memory,
    states: list[tf.Tensor],
    rows: tf.Tensor | int,
    limit: tf.Tensor,
    beam: int,
    n_best: int,
) -> Hypotheses:
    """The best targets for what :meth:`EncoderDecoder.encode` returned.

    Args:
        limit: int32 [] or [batch], pieces of a target.
    """

    def step(ids: tf.Tensor, states: list[tf.Tensor]) -> tuple[tf.Tensor, list[tf.Tensor]]:
        return model.step(memory, ids, states)

    if beam == 1:
        return greedy_search(step, [state[:, None] for state in states], rows, limit)
    return beam_search(step, states, rows, limit, beam=beam, n_best=n_best)


def _search_function(model: EncoderDecoder, beam: int, n_best: int) -> Any:
    @tf.function(input_signature=[tf.TensorSpec([None, None], tf.int32)], autograph=False)
    def search(source: tf.Tensor) -> Hypotheses:
        memory, states = model.encode(source)
        limits = max_decoded_length(tf.reduce_sum(tf.cast(source != PAD, tf.int32), axis=1))
        return _search(model, memory, states, tf.shape(source)[0], limits, beam, n_best)

    return search


def _padded(tensor: tf.Tensor, shape: list[Any]) -> tf.Tensor:
    """With zeros after the last two axes, up to a shape that is known."""
    after = [[0, size - tf.shape(tensor)[axis]] for axis, size in enumerate(shape) if axis]
    return tf.reshape(tf.pad(tensor, [[0, 0], *after]), shape)


def _shifted(target: tf.Tensor) -> tf.Tensor:
    """Previous ids: begin, then the target but its last."""
    return tf.pad(target[:, :-1], [[0, 0], [1, 0]], constant_values=BEGIN)
