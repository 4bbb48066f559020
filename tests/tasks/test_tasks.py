"""The contract that every task keeps, and what each one does by itself."""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from nlpseq.tasks import task_class, task_names
from nlpseq.tasks.base import Task, Vocabulary

from nlpseq import config as configuration
from nlpseq.data import sources
from nlpseq.data.sources import Record
from nlpseq.errors import DataError, UserError

TEXT = "".join(f"The {a} {b} sat on the {c}.\n" for a, b, c in itertools.product(
    ("old", "red", "wet"), ("cat", "dog", "hen", "fox"), ("mat", "hat", "box", "bed", "log")
))  # fmt: skip
PAIRS = [
    (f"{number} {noun}", f"{translated} {french}")
    for (number, translated), (noun, french) in itertools.product(
        [("one", "un"), ("two", "deux"), ("three", "trois"), ("four", "quatre"), ("five", "cinq"), ("six", "six")],
        [("cat", "chat"), ("dog", "chien"), ("bread", "pain"), ("train", "train"), ("book", "livre"), ("key", "clé"),
         ("glass", "verre"), ("day", "jour"), ("bus", "bus"), ("hotel", "hôtel")],
    )
]  # fmt: skip
LABELLED = [
    (f"a {word} {thing}", label)
    for (word, label), thing in itertools.product(
        [("good", "+"), ("bad", "-"), ("great", "+"), ("awful", "-"), ("lovely", "+"), ("boring", "-")],
        ["film", "book", "meal", "room", "song", "play", "trip", "show", "game", "walk"],
    )
]
TINY = {
    "char-lm": ["model.units=16", "model.embedding=8", "training.batch_tokens=128", "training.length=16"],
    "sentiment": ["model.units=8", "model.embedding=8", "tokenizer.vocabulary_size=300"],
    "translation": ["model.units=8", "model.embedding=8", "tokenizer.vocabulary_size=300"],
}


def write_data(folder: Path, task: str) -> Path:
    if task == "char-lm":
        path = folder / "text.txt"
        path.write_text(TEXT, encoding="utf-8")
    else:
        path = folder / "table.tsv"
        rows = PAIRS if task == "translation" else LABELLED
        header = "source\ttarget\n" if task == "translation" else "text\tlabel\n"
        path.write_text(header + "".join("\t".join(row) + "\n" for row in rows), encoding="utf-8")
    return path


def tiny_task(folder: Path, name: str, *settings: str) -> tuple[Task[Any], Vocabulary]:
    task_type = task_class(name)
    fraction = [] if name == "char-lm" else ["data.valid_fraction=0.2"]
    config = configuration.from_toml(task_type.config_type, None, [*TINY[name], *fraction, *settings])
    config.data.train = str(write_data(folder, name))
    task = task_type(config)
    return task, task.fit_vocabulary(task.examples("train"))


@pytest.fixture(params=sorted(TINY))
def task_name(request: pytest.FixtureRequest) -> str:
    return request.param


def test_the_three_tasks_are_registered() -> None:
    assert set(TINY) <= set(task_names())
    with pytest.raises(UserError, match="choose char-lm, sentiment"):
        task_class("summarise")


def test_training_and_validation_share_no_source_and_lose_none(tmp_path: Path, task_name: str) -> None:
    task, _ = tiny_task(tmp_path, task_name)
    train = [record.fields[0] for record in task.examples("train")]
    valid = [record.fields[0] for record in task.examples("valid")]
    assert train
    assert valid
    if task_name == "char-lm":
        assert "".join(train) + "".join(valid) == TEXT
        assert len("".join(valid)) == int(len(TEXT) * 0.1)
    else:
        assert not set(train) & set(valid)
        assert len(train) + len(valid) == 60


def test_the_model_is_an_ordinary_keras_model(tmp_path: Path, task_name: str) -> None:
    """compile and fit train it, it is saved in Keras' own format, and loads to equal outputs."""
    task, vocabulary = tiny_task(tmp_path, task_name)
    keras.utils.set_random_seed(1)
    model = task.build_model(vocabulary)
    model.compile(keras.optimizers.Adam(0.01), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    dataset = task.dataset(task.corpus(vocabulary, "train"))
    first = model.evaluate(dataset, verbose=0)
    history = model.fit(dataset.repeat(), steps_per_epoch=30, epochs=1, verbose=0)
    assert np.isfinite(history.history["loss"][-1])
    assert model.evaluate(dataset, verbose=0) < first

    path = tmp_path / "model.keras"
    model.save(path)
    loaded = keras.saving.load_model(path, compile=False)
    inputs = next(iter(dataset))[0]
    np.testing.assert_allclose(loaded(inputs), model(inputs), atol=1e-6)


def test_losses_are_those_that_keras_computes(tmp_path: Path, task_name: str) -> None:
    task, vocabulary = tiny_task(
        tmp_path, task_name, "model.dropout=0.0", "training.label_smoothing=0.0",
        *(["model.word_dropout=0.0"] if task_name == "sentiment" else []),
    )  # fmt: skip
    model = task.build_model(vocabulary)
    batch = next(task.batches(task.corpus(vocabulary, "train"), training=True, rows_multiple=2))
    fields = tuple(tf.constant(field) for field in batch.fields)
    losses, _ = task.losses(model, fields, task.initial_state(model, fields[0].shape[0]))
    ours = losses["cross_entropy"].total / losses["cross_entropy"].count
    inputs, targets, weights = task.keras_batch(fields)
    nats = tf.nn.sparse_softmax_cross_entropy_with_logits(targets, model(inputs))
    np.testing.assert_allclose(ours, tf.reduce_sum(nats * weights) / tf.reduce_sum(weights), rtol=1e-5)


def test_rows_of_padding_change_no_loss_and_no_gradient(tmp_path: Path) -> None:
    for name in ("sentiment", "translation"):
        task, vocabulary = tiny_task(tmp_path, name, "model.dropout=0.0")
        if name == "sentiment":
            task.config.model.word_dropout = 0.0
        model = task.build_model(vocabulary)
        batch = next(task.batches(task.corpus(vocabulary, "train"), training=False))
        fields = tuple(tf.constant(field) for field in batch.fields)
        padded = tuple(tf.pad(field, [[0, 3], [0, 2 if field.shape[1] > 4 else 0]]) for field in fields)
        results = []
        for given in (fields, padded):
            with tf.GradientTape() as tape:
                loss = task.losses(model, given, ())[0]["cross_entropy"]
                mean = loss.total / loss.count
            gradients = tape.gradient(mean, [variable.value for variable in model.trainable_variables])
            results.append((mean, [tf.convert_to_tensor(gradient) for gradient in gradients]))
        np.testing.assert_allclose(results[0][0], results[1][0], rtol=1e-5)
        for one, other in zip(results[0][1], results[1][1], strict=True):
            np.testing.assert_allclose(one, other, atol=1e-6)


def test_the_same_bytes_as_text_and_as_table_are_two_corpora(tmp_path: Path) -> None:
    task, vocabulary = tiny_task(tmp_path, "char-lm")
    sizes = {}
    for name in ("same.txt", "same.tsv"):
        (tmp_path / name).write_text(f"text\n{TEXT}", encoding="utf-8")
        task.config.data.train = str(tmp_path / name)
        sizes[name] = sum(task.corpus(vocabulary, part).ids[0] for part in ("train", "valid"))
    assert sizes == {"same.txt": len("text\n") + len(TEXT), "same.tsv": len(TEXT)}  # a table's header is no text


def test_a_file_is_read_once_to_know_its_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task, vocabulary = tiny_task(tmp_path, "sentiment")
    own = tmp_path / "own.tsv"
    own.write_text("text\tlabel\na good film\t+\n", encoding="utf-8")
    task.config.data.test = str(own)
    asked: list[str] = []
    fingerprint = sources.fingerprint
    monkeypatch.setattr(sources, "fingerprint", lambda spec, part: asked.append(spec) or fingerprint(spec, part))
    corpora = [task.corpus(vocabulary, part) for part in ("train", "valid", "test", "train")]
    assert asked == [task.config.data.train, str(own)]
    assert corpora[0] == corpora[3]
    assert len({corpus.folder for corpus in corpora}) == 3


def test_a_language_model_is_evaluated_on_a_text_too_short_to_train_on(tmp_path: Path) -> None:
    task, vocabulary = tiny_task(tmp_path, "char-lm")
    short = tmp_path / "short.txt"
    short.write_text("The cat.", encoding="utf-8")
    task.config.data.valid = str(short)
    assert task.corpus(vocabulary, "valid").ids == (8,)
    task.config.data.train = str(short)
    with pytest.raises(DataError, match=r"short.txt: has 8 characters to train on: 8 streams need 128"):
        task.corpus(vocabulary, "train")


def test_a_part_of_which_nothing_is_left_is_named(tmp_path: Path) -> None:
    task, vocabulary = tiny_task(tmp_path, "translation", "data.max_length=6")
    own = tmp_path / "own.tsv"
    own.write_text(f"source\ttarget\n{'cat ' * 9}\tchat\n", encoding="utf-8")
    task.config.data.test = str(own)
    with pytest.raises(UserError, match=r"own.tsv: no example is left for the test part; 1 pairs longer"):
        task.corpus(vocabulary, "test")


def test_language_model_carries_its_state(tmp_path: Path) -> None:
    """Two halves with the state carried over give the logits of the whole."""
    task, vocabulary = tiny_task(tmp_path, "char-lm", "model.dropout=0.0")
    model = task.build_model(vocabulary)
    ids = tf.constant([vocabulary.tokenizers["text"].encode(TEXT[:40])])
    whole = model(ids)
    first, state = model.advance(ids[:, :17], None)
    second, _ = model.advance(ids[:, 17:], state)
    np.testing.assert_allclose(tf.concat([first, second], axis=1), whole, atol=1e-5)


def test_language_model_score_is_the_sum_over_the_text(tmp_path: Path) -> None:
    task, vocabulary = tiny_task(tmp_path, "char-lm")
    model = task.build_model(vocabulary)
    score = task.predictor(model, vocabulary).score_texts([TEXT[:100], TEXT[100:300]])
    ids = np.array([vocabulary.tokenizers["text"].encode(TEXT[:300])])
    log_probabilities = tf.nn.log_softmax(model(ids[:, :-1]))[0].numpy()
    expected = -log_probabilities[np.arange(299), ids[0, 1:]].mean()
    assert score["nats_per_character"] == pytest.approx(expected, rel=1e-4)
    assert score["bits_per_character"] == pytest.approx(expected / np.log(2), rel=1e-4)
    assert score["characters"] == 299


@pytest.mark.parametrize("kind", ["characters", "sentencepiece"])
def test_generation_goes_on_from_the_prompt_and_repeats_with_its_seed(tmp_path: Path, kind: str) -> None:
    task, vocabulary = tiny_task(tmp_path, "char-lm", f"tokenizer.kind={kind}", "tokenizer.vocabulary_size=300")
    generator = task.predictor(task.build_model(vocabulary), vocabulary)
    one = generator.generate("The old", length=30, seed=3)
    assert one.text.startswith("The old")
    assert len(one.text) <= len("The old") + 30
    assert generator.generate("The old", length=30, seed=3) == one
    assert generator.generate("The old", length=30, seed=4).text != one.text
    assert generator.generate("The old\n", length=30, seed=3).text.startswith("The old\n")
    with pytest.raises(UserError, match="temperature -1"):
        generator.generate("", temperature=-1)


def test_label_that_training_lacks_is_refused(tmp_path: Path) -> None:
    task, vocabulary = tiny_task(tmp_path, "sentiment")
    other = tmp_path / "other.tsv"
    other.write_text("text\tlabel\na good film\t+\nso so\tmeh\n", encoding="utf-8")
    task.config.data.test = str(other)
    with pytest.raises(DataError, match=r"other.tsv, line 3: the label 'meh' does not occur .*, -"):
        task.corpus(vocabulary, "test")


def test_one_label_is_too_few(tmp_path: Path) -> None:
    path = tmp_path / "one.tsv"
    path.write_text("text\tlabel\na\t1\nb\t1\n", encoding="utf-8")
    task, _ = tiny_task(tmp_path, "sentiment")
    task.config.data.train = str(path)
    with pytest.raises(DataError, match="only the label '1'"):
        task.fit_vocabulary(task.read(str(path)))


def test_two_losses_in_one_model(tmp_path: Path) -> None:
    """The second loss is the mean negative log-likelihood of each next piece, and counts with its weight."""
    task, vocabulary = tiny_task(
        tmp_path, "sentiment", "model.language_model_weight=0.5", "model.dropout=0.0", "model.word_dropout=0.0"
    )
    model = task.build_model(vocabulary)
    batch = next(task.batches(task.corpus(vocabulary, "train"), training=True))
    ids = tf.constant(batch.fields[0])
    losses, _ = task.losses(model, (ids, tf.constant(batch.fields[1])), ())
    assert set(losses) == {"cross_entropy", "language_model"}
    assert losses["language_model"].weight == 0.5
    states = model.classify(model.embed(ids), ids)[1]
    log_probabilities = tf.nn.log_softmax(model.next_piece_logits(states[:, :-1])).numpy()
    expected = [
        -log_probabilities[row, column, piece]
        for (row, column), piece in np.ndenumerate(batch.fields[0][:, 1:])
        if piece
    ]
    assert float(losses["language_model"].count) == len(expected)
    assert float(losses["language_model"].total) == pytest.approx(sum(expected), rel=1e-4)


def test_long_texts_keep_their_begin_and_end(tmp_path: Path) -> None:
    task, vocabulary = tiny_task(tmp_path, "sentiment", "data.max_length=8")
    ids = vocabulary.tokenizers["text"].encode("a good film and a bad book and a great meal")
    notes: dict[str, int] = {}
    record = next(iter(task.examples("train")))
    cut = task.encode(type(record)(("a good film and a bad book and a great meal", "+"), "x", 1), vocabulary, notes)
    assert cut is not None
    assert list(cut[0]) == ids[:2] + ids[-6:]
    assert sum(notes.values()) == 1


@pytest.mark.parametrize("pooling", ["attention", "max_mean", "last"])
@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_every_cell_and_pooling_classifies(tmp_path: Path, cell: str, pooling: str) -> None:
    task, vocabulary = tiny_task(tmp_path, "sentiment", f"model.cell={cell}", f"model.pooling={pooling}")
    classifier = task.predictor(task.build_model(vocabulary), vocabulary)
    texts = ["a good film", "", "an awful, boring walk in the park"]
    together = classifier.probabilities(texts)
    np.testing.assert_allclose(together.sum(axis=1), 1, atol=1e-5)
    alone = classifier.classify(texts[2])
    np.testing.assert_allclose(list(alone.probabilities.values()), together[2], atol=1e-5)
    assert len(alone.pieces) == len(alone.relevance)


@pytest.mark.parametrize(
    "settings",
    [
        (),
        ("model.attention=additive", "model.cell=gru"),
        ("model.bidirectional=false", "model.cell=rnn", "model.decoder_layers=1"),
        ("tokenizer.shared=false", "model.tie_embeddings=false", "model.encoder_layers=2", "model.decoder_layers=3"),
    ],
)
def test_step_by_step_decoding_agrees_with_training(tmp_path: Path, settings: tuple[str, ...]) -> None:
    """Logits of single steps, beams side by side, are those of the whole target at once."""
    task, vocabulary = tiny_task(tmp_path, "translation", *settings)
    keras.utils.set_random_seed(2)
    model = task.build_model(vocabulary)
    source = tf.constant([[5, 9, 12, 3, 0], [7, 8, 3, 0, 0]])
    targets = tf.random.stateless_uniform([2, 3, 6], [1, 2], 4, 250, tf.int32)  # three beams of six pieces
    memory, states = model.encode(source)
    states = [tf.repeat(state[:, None], 3, axis=1) for state in states]
    for position in range(6):
        logits, states = model.step(memory, targets[:, :, position], states)
        for beam in range(3):
            whole = model((source, targets[:, beam]))
            np.testing.assert_allclose(logits[:, beam], whole[:, position], atol=1e-5)


def test_translations_in_a_batch_are_those_one_by_one(tmp_path: Path) -> None:
    task, vocabulary = tiny_task(tmp_path, "translation")
    keras.utils.set_random_seed(3)
    translator = task.predictor(task.build_model(vocabulary), vocabulary)
    texts = [pair[0] for pair in PAIRS[:5]] + ["one cat two dogs three keys four books", ""]
    together = translator.translate_texts(texts, beam=1)
    limits = [len(translator._encode(text)) for text in texts]
    assert len(together) == len(texts)
    longest = max(limits)
    for text, result, limit in zip(texts, together, limits, strict=True):
        if limit == longest:  # the others may decode for longer in a batch
            assert translator.translate(text, beam=1).text == result


def test_translation_shows_what_it_looked_at(tmp_path: Path) -> None:
    task, vocabulary = tiny_task(tmp_path, "translation")
    result = task.predictor(task.build_model(vocabulary), vocabulary).translate("two dogs")
    assert len(result.alignment) == len(result.pieces)
    for row in result.alignment:
        assert len(row) == len(result.source_pieces)
        assert sum(row) == pytest.approx(1, abs=1e-4)


def test_long_text_is_translated_part_by_part(tmp_path: Path) -> None:
    task, vocabulary = tiny_task(tmp_path, "translation", "data.max_length=12")
    translator = task.predictor(task.build_model(vocabulary), vocabulary)
    text = "one cat. two dogs. three keys. " * 3
    result = translator.translate(text, beam=1)
    assert result.source == text
    assert len(result.alignment) == len(result.pieces)
    assert {len(row) for row in result.alignment} == {len(result.source_pieces)}


def test_adopting_a_vocabulary(tmp_path: Path) -> None:
    _, pieces = tiny_task(tmp_path, "char-lm", "tokenizer.kind=sentencepiece")
    sentiment, _ = tiny_task(tmp_path, "sentiment")
    adopted = sentiment.adopt_vocabulary(pieces, sentiment.examples("train"))
    assert adopted.labels == ("+", "-")
    assert adopted.tokenizers["text"].digest() == pieces.tokenizers["text"].digest()
    translation, _ = tiny_task(tmp_path, "translation")
    with pytest.raises(UserError, match="only start from a translation model"):
        translation.adopt_vocabulary(pieces, translation.examples("train"))


@pytest.mark.parametrize("shared", ["true", "false"])
def test_a_vocabulary_is_stored_once_and_comes_back(tmp_path: Path, shared: str) -> None:
    _, vocabulary = tiny_task(tmp_path, "translation", f"tokenizer.shared={shared}")
    vocabulary.save(tmp_path)
    assert [path.name for path in sorted(tmp_path.glob("*.model"))] == ["source.model", "target.model"][
        : 1 + (shared == "false")
    ]
    again = Vocabulary.load(tmp_path)
    assert again.digest() == vocabulary.digest()
    assert (again.tokenizers["source"] is again.tokenizers["target"]) == (shared == "true")
    # Folders of before name the tokenisers in a list, and have a file for each.
    shutil.copy(tmp_path / "source.model", tmp_path / "target.model")
    (tmp_path / "vocabulary.json").write_text('{"tokenizers": ["source", "target"], "labels": []}', encoding="utf-8")
    assert Vocabulary.load(tmp_path).tokenizers["target"].digest() == vocabulary.tokenizers["source"].digest()


def test_an_adopted_vocabulary_decides_whether_vectors_are_shared(tmp_path: Path) -> None:
    _, apart = tiny_task(tmp_path, "translation", "tokenizer.shared=false")
    task, together = tiny_task(tmp_path, "translation", "tokenizer.shared=true")
    models = [task.build_model(vocabulary) for vocabulary in (apart, together)]
    assert [model.source_embedding is model.target_embedding for model in models] == [False, True]


def test_an_epoch_adds_up(tmp_path: Path, task_name: str) -> None:
    """What the batches of an epoch count is the epoch's size: the schedule goes by it."""
    task, vocabulary = tiny_task(tmp_path, task_name)
    corpus = task.corpus(vocabulary, "train")
    counted = sum(batch.examples for batch in task.batches(corpus, training=True))
    assert counted == pytest.approx(task.epoch_size(corpus), rel=0.1 if task_name == "char-lm" else 0)


@pytest.mark.parametrize(("sources", "unit"), [(["One.", "Two!", "A. B."], "sentence"), (["A. B.", "C. D."], "text")])
def test_what_is_translated_at_once_is_learnt_from_the_data(sources: list[str], unit: str) -> None:
    task = task_class("translation")(task_class("translation").config_type())
    records = [Record((source, "x"), "pairs.tsv", line) for line, source in enumerate(sources, start=1)]
    assert list(task._with_unit(records)) == records
    assert task.config.data.unit == unit
    task.config.data.unit = "text"
    list(task._with_unit(records))
    assert task.config.data.unit == "text"  # what was asked for stays


def test_a_model_of_sentences_is_given_sentences(tmp_path: Path) -> None:
    keras.utils.set_random_seed(2)
    task, vocabulary = tiny_task(tmp_path, "translation", "data.unit=sentence")
    predictor = task.predictor(task.build_model(vocabulary), vocabulary)
    first, second = "one cat.", "two dogs!"
    together = predictor.translate(f" {first}  {second}\n")
    apart = [predictor.translate(text).text for text in (first, second)]
    assert together.text == f"{apart[0]}  {apart[1]}".strip()
    assert predictor.translate_texts([f"{first}  {second}", " ", first]) == [together.text, "", apart[0]]
    assert predictor.translate("").text == ""


def test_labels_may_have_names(tmp_path: Path) -> None:
    _, vocabulary = tiny_task(tmp_path, "sentiment", "data.labels=+=good,-=bad")
    assert vocabulary.labels == ("bad", "good")
    for labels, message in (("+=good", "has no name for the label '-'"), ("good", "LABEL=NAME")):
        with pytest.raises(UserError, match=message):
            tiny_task(tmp_path, "sentiment", f"data.labels={labels}")
