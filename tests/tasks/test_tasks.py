"""The contract that every task keeps, and what each one does by itself."""

from __future__ import annotations

import itertools
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from nlpseq.data import noise, sources
from nlpseq.data.sources import Part, Record
from nlpseq.errors import DataError, UserError
from nlpseq.runtime.questions import Answer, Question
from nlpseq.tasks import task_class, task_names
from nlpseq.tasks.base import Task, Trained, asked
from tests.tasks.tiny import PAIRS, TEXT, TINY, tiny_config, tiny_task


@pytest.fixture(params=sorted(TINY))
def task_name(request: pytest.FixtureRequest) -> str:
    return request.param


def trained(folder: Path, name: str, *settings: str, seed: int = 1) -> Trained:
    """A tiny model with random weights."""
    task, vocabulary = tiny_task(folder, name, *settings)
    keras.utils.set_random_seed(seed)
    return Trained("tiny", task, task.network(vocabulary), vocabulary)


def test_the_three_tasks_are_registered() -> None:
    assert set(TINY) <= set(task_names())
    with pytest.raises(UserError, match="choose char-lm, sentiment"):
        task_class("summarise")


def test_training_and_validation_share_no_source_and_lose_none(tmp_path: Path, task_name: str) -> None:
    task, _ = tiny_task(tmp_path, task_name)
    train = [record.fields[0] for record in task.dataset.examples("train")]
    valid = [record.fields[0] for record in task.dataset.examples("valid")]
    assert train
    assert valid
    if task_name == "char-lm":
        assert "".join(train) + "".join(valid) == TEXT
        assert len("".join(valid)) == int(len(TEXT) * 0.1)
    else:
        assert not set(train) & set(valid)
        assert len(train) + len(valid) == 60


def test_keras_fits_the_network_on_a_tasks_data(tmp_path: Path, task_name: str) -> None:
    model = trained(tmp_path, task_name)
    dataset = model.task.keras_dataset(model.task.corpus(model.vocabulary, "train"))
    model.model.compile(keras.optimizers.Adam(0.01), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    first = model.model.evaluate(dataset, verbose=0)
    model.model.fit(dataset.repeat(), steps_per_epoch=20, epochs=1, verbose=0)
    assert model.model.evaluate(dataset, verbose=0) < first


def test_losses_are_those_that_keras_computes(tmp_path: Path, task_name: str) -> None:
    off = ["model.dropout=0.0", "training.label_smoothing=0.0"]
    off += ["model.word_dropout=0.0"] if task_name == "sentiment" else []
    model = trained(tmp_path, task_name, *off)
    task = model.task
    batch = next(task.batches(task.corpus(model.vocabulary, "train"), training=True, rows_multiple=2))
    sequences = tuple(tf.constant(ids) for ids in batch.fields)
    losses, _ = task.losses(model.model, sequences, task.initial_state(model.model, sequences[0].shape[0]))
    ours = losses["cross_entropy"].total / losses["cross_entropy"].count
    inputs, targets, weights = task.supervised(sequences)
    nats = tf.nn.sparse_softmax_cross_entropy_with_logits(targets, model.model(inputs))
    np.testing.assert_allclose(ours, tf.reduce_sum(nats * weights) / tf.reduce_sum(weights), rtol=1e-5)


@pytest.mark.parametrize("name", ["sentiment", "translation"])
def test_rows_of_padding_change_no_loss_and_no_gradient(tmp_path: Path, name: str) -> None:
    off = ["model.dropout=0.0", *(["model.word_dropout=0.0"] if name == "sentiment" else [])]
    model = trained(tmp_path, name, *off)
    task = model.task
    batch = next(task.batches(task.corpus(model.vocabulary, "train"), training=False))
    sequences = tuple(tf.constant(ids) for ids in batch.fields)
    padded = tuple(tf.pad(ids, [[0, 3], [0, 2 if ids.shape[1] > 4 else 0]]) for ids in sequences)
    results = []
    for given in (sequences, padded):
        with tf.GradientTape() as tape:
            loss = task.losses(model.model, given, ())[0]["cross_entropy"]
            mean = loss.total / loss.count
        gradients = tape.gradient(mean, [variable.value for variable in model.model.trainable_variables])
        results.append((mean, [tf.convert_to_tensor(gradient) for gradient in gradients]))
    np.testing.assert_allclose(results[0][0], results[1][0], rtol=1e-5)
    for one, other in zip(results[0][1], results[1][1], strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_an_epoch_adds_up(tmp_path: Path, task_name: str) -> None:
    """What the batches of an epoch count is the epoch's size: the schedule goes by it."""
    task, vocabulary = tiny_task(tmp_path, task_name)
    corpus = task.corpus(vocabulary, "train")
    counted = sum(batch.examples for batch in task.batches(corpus, training=True))
    assert counted == pytest.approx(task.epoch_size(corpus), rel=0.1 if task_name == "char-lm" else 0)


def test_tokens_are_those_that_are_trained_on(tmp_path: Path, task_name: str) -> None:
    """Once a language model counted one character a row too many."""
    task, vocabulary = tiny_task(tmp_path, task_name)
    batch = next(task.batches(task.corpus(vocabulary, "train"), training=True))
    if task_name == "char-lm":
        assert task.tokens(batch.fields) == batch.fields[0].shape[0] * (batch.fields[0].shape[1] - 1)
    else:
        ids = batch.fields[{"sentiment": 0, "translation": 1}[task_name]]
        assert task.tokens(batch.fields) == np.count_nonzero(ids)


def test_a_question_is_asked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = trained(tmp_path, "sentiment")
    questions = model.task.questions(model.task.dataset.examples("valid"))
    first = asked(model, questions)
    monkeypatch.setattr(type(model.task), "ask", lambda *_, **__: pytest.fail("asked again"))
    assert asked(model, questions[::-1]) == first[::-1]


def test_other_settings_make_another_task(tmp_path: Path) -> None:
    task, _ = tiny_task(tmp_path, "translation")
    other = task.with_settings({"decoding.beam": 2})
    assert (task.config.decoding.beam, other.config.decoding.beam) == (4, 2)
    with pytest.raises(UserError, match=r"decoding\.beam' is 0"):
        task.with_settings({"decoding.beam": 0})


# Data


def test_the_same_bytes_as_text_and_as_table_are_two_corpora(tmp_path: Path) -> None:
    task, vocabulary = tiny_task(tmp_path, "char-lm")
    sizes = {}
    for name in ("same.txt", "same.tsv"):
        (tmp_path / name).write_text(f"text\n{TEXT}", encoding="utf-8")
        other = task.with_settings({"data.train": str(tmp_path / name)})
        sizes[name] = sum(other.corpus(vocabulary, part).ids[0] for part in ("train", "valid"))
    assert sizes == {"same.txt": len("text\n") + len(TEXT), "same.tsv": len(TEXT)}  # a table's header is no text


def test_a_file_is_read_once_to_know_its_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = tmp_path / "own.tsv"
    own.write_text("text\tlabel\na good film\t+\n", encoding="utf-8")
    task, vocabulary = tiny_task(tmp_path, "sentiment", f"data.test={own}")
    asked_for: list[str] = []
    fingerprint = sources.fingerprint
    monkeypatch.setattr(sources, "fingerprint", lambda spec, *rest: asked_for.append(spec) or fingerprint(spec, *rest))
    corpora = [task.corpus(vocabulary, part) for part in ("train", "valid", "test", "train")]
    assert asked_for == [task.config.data.train, str(own)]
    assert corpora[0] == corpora[3]
    assert len({corpus.folder for corpus in corpora}) == 3


def test_a_text_too_short_to_train_on(tmp_path: Path) -> None:
    short = tmp_path / "short.txt"
    short.write_text("The cat.", encoding="utf-8")
    task, vocabulary = tiny_task(tmp_path, "char-lm", f"data.valid={short}")
    assert task.corpus(vocabulary, "valid").ids == (8,)
    with pytest.raises(DataError, match=r"short.txt: has 8 characters to train on: 8 streams need 128"):
        task.with_settings({"data.train": str(short)}).corpus(vocabulary, "train")


def test_a_part_of_which_nothing_is_left_is_named(tmp_path: Path) -> None:
    own = tmp_path / "own.tsv"
    own.write_text(f"source\ttarget\n{'cat ' * 9}\tchat\n", encoding="utf-8")
    task, vocabulary = tiny_task(tmp_path, "translation", "data.max_length=6", f"data.test={own}")
    with pytest.raises(UserError, match=r"own.tsv: no example is left for the test part; 1 pairs longer"):
        task.corpus(vocabulary, "test")


@pytest.mark.parametrize("name", ["sentiment", "char-lm", "translation"])
def test_taking_over_a_vocabulary(tmp_path: Path, name: str) -> None:
    _, pieces = tiny_task(tmp_path, "char-lm", "tokenizer.kind=sentencepiece")
    task, own = tiny_task(tmp_path, name)
    if name == "translation":
        with pytest.raises(UserError, match="only start from a translation model"):
            task.prepare(task.dataset.examples("train"), pieces)
        assert task.prepare(task.dataset.examples("train"), own).vocabulary is own
        return
    taken = task.prepare(task.dataset.examples("train"), pieces).vocabulary
    assert taken.labels == (("+", "-") if name == "sentiment" else ())
    assert taken.tokenizers["text"].digest() == pieces.tokenizers["text"].digest()
    _, pairs = tiny_task(tmp_path, "translation")
    with pytest.raises(UserError, match="can only start from a"):
        task.prepare(task.dataset.examples("train"), pairs)


# Language models


def test_language_model_score_is_the_sum_over_the_text(tmp_path: Path) -> None:
    model = trained(tmp_path, "char-lm")
    examples = [Record((text,), "x", 1) for text in (TEXT[:100], TEXT[100:300])]
    score = model.task.evaluate(model, examples)
    ids = np.array([model.vocabulary.tokenizers["text"].encode(TEXT[:300])])
    log_probabilities = tf.nn.log_softmax(model.model(ids[:, :-1]))[0].numpy()
    expected = -log_probabilities[np.arange(299), ids[0, 1:]].mean()
    assert score["nats_per_character"] == pytest.approx(expected, rel=1e-4)
    assert score["bits_per_character"] == pytest.approx(expected / np.log(2), rel=1e-4)
    assert score["characters"] == 299
    with pytest.raises(UserError, match="at least two characters"):
        model.task.evaluate(model, [Record(("T",), "x", 1)])


def test_windows_of_a_text_are_scored_after_their_context(tmp_path: Path) -> None:
    model = trained(tmp_path, "char-lm")
    questions = model.task.questions([Record((TEXT[:300],), "x", 1)])
    assert "".join(question.text for question in questions) == TEXT[:300]
    answers = model.task.ask(model, questions)
    question = questions[1]
    encode = model.vocabulary.tokenizers["text"].encode
    ids = np.array([encode("\n" + question.context + question.text)])
    log_probabilities = tf.nn.log_softmax(model.model(ids[:, :-1]))[0].numpy()
    chosen = log_probabilities[np.arange(ids.shape[1] - 1), ids[0, 1:]][-len(question.text) :]
    assert answers[1].numbers["nats_per_character"] == pytest.approx(-chosen.mean(), rel=1e-4)
    total = sum(
        answer.numbers["nats_per_character"] * len(asked.text) for answer, asked in zip(answers, questions, strict=True)
    )
    assert model.task.score(answers, questions)["nats_per_character"] == pytest.approx(total / 300)


def test_line_breaks_of_a_text_over_pieces(tmp_path: Path) -> None:
    """Only a line's end is an end: once each chunk of a text had one, too."""
    task, vocabulary = tiny_task(tmp_path, "char-lm", "tokenizer.kind=sentencepiece")
    tokenizer = vocabulary.tokenizers["text"]

    def encode(text: str) -> list[int]:
        (ids,) = task.encode([Record((text,), "x", 1)], vocabulary, {})
        return list(ids[0])

    assert encode("The old cat") == tokenizer.encode("The old cat")
    assert encode("The old\ncat\n") == [*tokenizer.encode("The old"), 3, *tokenizer.encode("cat"), 3]


def test_a_language_model_over_pieces_is_not_exported(tmp_path: Path) -> None:
    model = trained(tmp_path, "char-lm", "tokenizer.kind=sentencepiece")
    with pytest.raises(UserError, match="pre-trains other models"):
        model.program()


# Classification


def test_label_that_training_lacks_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "other.tsv"
    other.write_text("text\tlabel\na good film\t+\nso so\tmeh\n", encoding="utf-8")
    task, vocabulary = tiny_task(tmp_path, "sentiment", f"data.test={other}")
    with pytest.raises(DataError, match=r"other.tsv, line 3: the label 'meh' does not occur .*, -"):
        task.corpus(vocabulary, "test")
    answers = [Answer("+", {"+": 0.9, "-": 0.1})]
    with pytest.raises(DataError, match=r"x.tsv, line 7: the label 'meh' is not one of this model's: \+, -"):
        task.score(answers, [Question("so so", ("meh",), file="x.tsv", line=7)])


def test_one_label_is_too_few(tmp_path: Path) -> None:
    path = tmp_path / "one.tsv"
    path.write_text("text\tlabel\na\t1\nb\t1\n", encoding="utf-8")
    task, vocabulary = tiny_task(tmp_path, "sentiment")
    one = task.with_settings({"data.train": str(path), "data.valid": str(path)})
    with pytest.raises(DataError, match="only the label '1'"):
        one.prepare(one.dataset.examples("train"), vocabulary)


def test_labels_may_have_names(tmp_path: Path) -> None:
    """The data may have the name as well as the label."""
    task, vocabulary = tiny_task(tmp_path, "sentiment", "data.labels=+=good,-=bad")
    assert vocabulary.labels == ("bad", "good")
    both = [task.clean(Record(("x", label), "x", 1)).fields[1] for label in ("+", "good", "-", "bad")]
    assert both == ["good", "good", "bad", "bad"]
    for labels, message in (("+=good", "has no name for the label '-'"), ("good", "LABEL=NAME")):
        with pytest.raises(UserError, match=message):
            tiny_task(tmp_path, "sentiment", f"data.labels={labels}")


def test_two_losses_in_one_model(tmp_path: Path) -> None:
    """The second loss is the mean negative log-likelihood of each next piece, and counts with its weight."""
    off = ("model.dropout=0.0", "model.word_dropout=0.0")
    model = trained(tmp_path, "sentiment", "model.language_model_weight=0.5", *off)
    batch = next(model.task.batches(model.task.corpus(model.vocabulary, "train"), training=True))
    ids = tf.constant(batch.fields[0])
    losses, _ = model.task.losses(model.model, (ids, tf.constant(batch.fields[1])), ())
    assert set(losses) == {"cross_entropy", "language_model"}
    assert losses["language_model"].weight == 0.5
    states = model.model.classify(model.model.embed(ids), ids)[1]
    log_probabilities = tf.nn.log_softmax(model.model.next_piece_logits(states[:, :-1])).numpy()
    expected = [
        -log_probabilities[row, column, piece]
        for (row, column), piece in np.ndenumerate(batch.fields[0][:, 1:])
        if piece
    ]
    assert float(losses["language_model"].count) == len(expected)
    assert float(losses["language_model"].total) == pytest.approx(sum(expected), rel=1e-4)


def test_long_texts_keep_their_beginning_and_their_end(tmp_path: Path) -> None:
    task, vocabulary = tiny_task(tmp_path, "sentiment", "data.max_length=8")
    text = "a good film and a bad book and a great meal"
    ids = vocabulary.tokenizers["text"].encode(text)
    notes: dict[str, int] = {}
    (cut,) = task.encode([Record((text, "+"), "x", 1)], vocabulary, notes)
    assert list(cut[0]) == ids[:2] + ids[-6:]
    assert list(notes.values()) == [1]


def test_texts_in_a_batch_have_the_probabilities_that_they_have_alone(tmp_path: Path) -> None:
    model = trained(tmp_path, "sentiment")
    questions = [Question(text, ("+",)) for text in ("a good film", "", "an awful, boring walk in the park")]
    together = model.task.ask(model, questions)
    for question, answer in zip(questions, together, strict=True):
        (alone,) = model.task.ask(model, [question])
        np.testing.assert_allclose(list(alone.numbers.values()), list(answer.numbers.values()), atol=1e-5)
        assert sum(answer.numbers.values()) == pytest.approx(1, abs=1e-5)
        assert answer.text == max(answer.numbers, key=lambda label: answer.numbers[label])


# Translation


def test_translations_do_not_depend_on_their_batch(tmp_path: Path) -> None:
    model = trained(tmp_path, "translation", seed=3)
    texts = [pair[0] for pair in PAIRS[:5]] + ["one cat two dogs three keys four books", ""]
    questions = [Question(text, ("x",)) for text in texts]
    together = model.task.ask(model, questions)
    for question, answer in zip(questions, together, strict=True):
        (alone,) = model.task.ask(model, [question])
        assert alone.text == answer.text
        assert alone.numbers["score"] == pytest.approx(answer.numbers["score"], abs=1e-4)


def test_a_source_is_asked_once_with_all_its_translations(tmp_path: Path) -> None:
    task, _ = tiny_task(tmp_path, "translation")
    records = [Record(pair, "x", 1) for pair in (("a", "b"), ("c", "d"), ("a", "e"))]
    assert task.questions(records) == [Question("a", ("b", "e")), Question("c", ("d",))]


def test_a_model_of_sentences_is_given_sentences(tmp_path: Path) -> None:
    model = trained(tmp_path, "translation", "data.unit=sentence", "data.together=1", seed=2)
    texts = ["one cat.  Two dogs!", "one cat.", "Two dogs!"]
    together, *apart = (answer.text for answer in model.task.ask(model, [Question(text) for text in texts]))
    assert together == f"{apart[0]}  {apart[1]}".strip()


def test_quick_answers_are_greedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A beam of one and a beam as configured: what a validation between epochs and a final evaluation ask."""
    model = trained(tmp_path, "translation", "decoding.beam=3")
    model.task.ask(model, [Question("one cat")], quick=True)
    model.task.ask(model, [Question("one cat")])
    assert {key for key in model._graphs if key[0] == "search"} == {("search", 1), ("search", 3)}


OTHERS_CHOSEN = ("data.together=9", "data.figures=translated", "decoding.characters_factor=3")


@pytest.mark.parametrize(
    ("texts", "unit"),
    [(["One.", "Two!", "Ah. Bo."], "sentence"), (["Ah. Bo.", "No! Do."], "line"), (["Ah. Bo.", "No!\nDo."], "text")],
)
def test_what_is_translated_at_once_is_learnt_from_the_data(tmp_path: Path, texts: list[str], unit: str) -> None:
    task, vocabulary = tiny_task(tmp_path, "translation", "data.unit=text", *OTHERS_CHOSEN)
    records = [Record((text, "x"), "pairs.tsv", line) for line, text in enumerate(texts, start=1)]
    assert task.prepare(records, vocabulary).settings == {}  # what was asked for stays
    left_open = task.with_settings({"data.unit": "auto"})
    assert left_open.prepare(records, vocabulary).settings == {"data.unit": unit}
    assert left_open.config.data.unit == "auto"


def test_a_vocabulary_that_is_taken_over_decides_whether_vectors_are_shared(tmp_path: Path) -> None:
    _, apart = tiny_task(tmp_path, "translation", "tokenizer.shared=false")
    task, together = tiny_task(tmp_path, "translation", "tokenizer.shared=true")
    networks = [task.network(vocabulary) for vocabulary in (apart, together)]
    assert [network.source_embedding is network.target_embedding for network in networks] == [False, True]


def test_the_page_on_adding_a_task_names_what_there_is() -> None:
    """Once it named things that did not exist (fault 18)."""
    page = (Path(__file__).parent.parent.parent / "docs" / "adding-a-task.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1] for line in page.splitlines() if line.startswith("| `")]
    named = {name.strip().strip("`") for row in rows for name in row.split(",")}
    assert named <= {*dir(Task), "facts"}
    assert {*Task.__abstractmethods__, "facts"} <= named
    assert len(Task.__abstractmethods__) == 7


def test_sources_are_cut_into_other_pieces_in_training_alone(tmp_path: Path) -> None:
    settings = (
        "augmentation.on=always",
        "augmentation.other_pieces=1",
        "augmentation.copying=0",
        "augmentation.joined=0",
    )
    quiet = [f"augmentation.{kind}=0" for kind in noise.KINDS]
    task, vocabulary = tiny_task(tmp_path, "translation", *settings, *quiet)
    decode = vocabulary.tokenizers["source"].decode

    def sources(part: Part, version: int = 0) -> list[list[int]]:
        corpus = task.corpus(vocabulary, part, version=version)
        offsets = corpus.offsets("source", 0, corpus.examples)
        return [corpus.read("source", *ends).tolist() for ends in itertools.pairwise(offsets)]

    first, second = sources("train"), sources("train", version=1)
    assert first != second
    assert [decode(ids) for ids in first] == [decode(ids) for ids in second]
    plain = vocabulary.tokenizers["source"].encode_all([record.fields[0] for record in task.dataset.examples("valid")])
    assert [ids[:-1] for ids in sources("valid")] == plain


def test_pairs_that_lose_figures_are_left_out_of_training(tmp_path: Path) -> None:
    settings = ("augmentation.on=never", "augmentation.lost_figures=left out", "data.valid_fraction=0.5")
    data = tmp_path / "own.tsv"
    rows = [f"{number} days\t{number if number % 3 else 'x'} jours\n" for number in range(1, 61)]
    data.write_text("".join(rows), encoding="utf-8")
    task = task_class("translation")(tiny_config("translation", data, *settings))
    vocabulary = task.prepare(task.dataset.examples("train"), None).vocabulary
    read, train = list(task.dataset.examples("train")), task.corpus(vocabulary, "train")
    lost = sum("x" in record.fields[1] for record in read)
    assert 0 < lost == len(read) - train.examples
    assert list(train.notes.values()) == [lost]
    assert task.corpus(vocabulary, "valid").examples == 60 - len(read)
