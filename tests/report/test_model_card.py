"""The model card says what a model is, how good it is, and what it is not for."""

import dataclasses
import math
import re
import subprocess
import sys

import pytest

from nlpseq.report.model_card import CardFacts, model_card

TRANSLATION = CardFacts(
    name="en-fr",
    task="translation",
    version="0.1.0",
    created="2025-11-21",
    data={"train": "tfds:multi30k", "valid": "", "test": "flickr.tsv.gz", "licence": "CC BY-NC", "source": "Flickr"},
    is_sample=False,
    metrics={
        "valid": {"bleu": 57.123, "chrf": 72.0, "sources": 1014, "references": 1014},
        "test": {
            "bleu": 58.061,
            "chrf": 73.26,
            "bleu_lowercased_tokenized": 61.44,
            "signature_bleu": "nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:2.5.1",
            "sources": 1000,
            "references": 1000,
        },
    },
    labels=(),
    languages=("en", "fr"),
    parameters=4_712_345,
    file_bytes={"model.tflite": 8_700_000, "model.keras": 19_000_000},
    training={"minutes": 24.6, "epochs": 12, "steps": 5400, "cores": 2, "seed": 1, "tokens_per_second": 5812.3},
    export={},
    commands=[
        'nlpseq translate "Where is the station?" --model en-fr',
        "nlpseq train-task translation --data tfds:multi30k --output saved_models/en-fr",
    ],
    examples=[("Where is the station?", "Où est la gare ?"), ("a|b *c*", "<b>x</b>")],
    pictures=["curves.png", "attention.png"],
    notes={"pairs longer than 100 pieces (data.max_length) left out": 1234},
)
SENTIMENT = dataclasses.replace(
    TRANSLATION,
    name="sentiment-sample",
    task="sentiment",
    data={"train": "sample"},
    is_sample=True,
    metrics={
        "valid": {
            "accuracy": 0.90361,
            "macro_f1": 0.9031,
            "nats": 0.25,
            "expected_calibration_error": 0.0312,
            "examples": 83,
            "confusion": [[40, 3], [5, 35]],
        }
    },
    labels=("negative", "positive"),
    languages=None,
    parameters=301_234,
    commands=["nlpseq classify 'Never again.'", "nlpseq train-task sentiment"],
    examples=[("Never again.", "negative")],
    notes={},
)
CHAR_LM = dataclasses.replace(
    TRANSLATION,
    name="shakespeare",
    task="char-lm",
    metrics={"valid": {"nats_per_character": 1.44321, "bits_per_character": 2.08211, "characters": 111_540}},
    languages=None,
    examples=[("ROMEO:", "ROMEO:\nWhat say you? ```\nI am."), ("", "The")],
)


def without_code(card):
    return re.sub(r"(`{3,})[^`].*?\1", "", card, flags=re.DOTALL)


def test_translation():
    card = model_card(TRANSLATION)
    assert card.startswith("# en-fr\n\nTranslates from English into French")
    assert "BLEU 58.1, chrF 73.3 on the test part" in card
    assert "| BLEU | higher | 57.1 | 58.1 |" in card
    assert "| BLEU, lowercased, Moses-tokenised | higher | – | 61.4 |" in card
    assert "`nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:2.5.1`" in card
    assert "CC BY-NC" in card
    assert "4.7 million parameters; `model.tflite` 8.7 MB" in card
    assert "1,234 pairs longer than 100 pieces" in card
    assert "](attention.png)" in card
    assert "Training took 25 minutes on 2 CPU cores, 12 epochs, 5,400 steps, 5,812 tokens a second, seed 1" in card
    assert "toy" not in card


def test_sentiment_on_the_sample_is_called_a_toy():
    card = model_card(SENTIMENT)
    top = card.split("\n## ")[0]
    assert "one of 2 labels: negative, positive" in top
    assert "This is a toy" in top
    assert "accuracy 90.4 %" in top
    assert "| accuracy | higher | 90.4 % |" in card
    assert "| calibration error | lower | 0.031 |" in card
    assert "| **negative** | 40 | 3 |" in card
    assert "| texts measured |  | 83 |" in card
    assert "No test part was measured" in card
    assert "| source | the sample that comes with nlpseq |" in card
    assert "| licence | not stated" in card


def test_character_language_model():
    card = model_card(CHAR_LM)
    assert "| nats per character | lower | 1.443 |" in card
    assert "| characters measured |  | 111,540 |" in card
    assert "ROMEO:\nWhat say you? ```\nI am." in card
    assert "word for word" in card


@pytest.mark.parametrize("facts", [TRANSLATION, SENTIMENT, CHAR_LM], ids=lambda facts: facts.task)
def test_every_card_is_short_and_whole(facts):
    card = model_card(facts)
    assert card == model_card(facts)
    assert len(card.splitlines()) < 120
    for heading in ("Use it", "Results", "Examples", "Data", "Limits", "Make it again"):
        assert f"\n## {heading}\n\n" in card
    assert "\n\n\n" not in card
    use, make = card.split("## Use it")[1].split("## Results")[0], card.split("## Make it again")[1]
    assert facts.commands[0] in use
    assert facts.commands[1] in make
    assert "train-task" not in use
    assert "None" not in card
    assert "nan" not in card.split()


@pytest.mark.parametrize("facts", [TRANSLATION, SENTIMENT, CHAR_LM], ids=lambda facts: facts.task)
def test_the_columns_of_each_table_are_equally_many(facts):
    for table in re.findall(r"(?:^\|.*\|\n)+", without_code(model_card(facts)), flags=re.MULTILINE):
        # Bars inside of code or behind a backslash are text.
        rows = [re.sub(r"\\\||`[^`]*`", "", row) for row in table.splitlines()]
        assert len({row.count("|") for row in rows}) == 1, table


def test_text_does_not_become_markup():
    card = model_card(TRANSLATION)
    assert r"| a\|b \*c\* | \<b\>x\</b\> |" in card


def test_a_code_block_is_not_ended_by_what_is_in_it():
    assert "\n````\nROMEO:" in model_card(CHAR_LM)


def test_what_is_not_known_is_left_out():
    bare = dataclasses.replace(
        TRANSLATION,
        data={},
        metrics={},
        languages=None,
        file_bytes={},
        training={},
        export={},
        commands=[],
        examples=[],
        pictures=[],
        notes={},
    )
    card = model_card(bare)
    assert "Nothing was measured." in card
    assert "not stated" in card
    assert "Use it" not in card
    assert "Make it again" not in card
    assert "\n\n\n" not in card


def test_a_metric_that_is_not_a_number_or_not_known():
    metrics = {
        "test": {"bleu": math.nan, "my_score": 0.123456, "my_count": 12345, "flag": True, "text": "x", "none": None}
    }
    card = model_card(dataclasses.replace(TRANSLATION, metrics=metrics))
    assert "| BLEU | higher | – |" in card
    assert "| my score |  | 0.1235 |" in card
    assert "| my count |  | 12,345 |" in card
    assert "flag" not in card


def test_another_task_s_model():
    assert "A model for the task my-task." in model_card(dataclasses.replace(TRANSLATION, task="my-task"))


def test_many_labels_give_the_worst_confusions():
    labels = tuple(f"label{number}" for number in range(30))
    confusion = [[0] * 30 for _ in labels]
    confusion[3][7], confusion[2][1], confusion[5][5] = 9, 4, 99
    facts = dataclasses.replace(SENTIMENT, labels=labels, metrics={"test": {"accuracy": 0.5, "confusion": confusion}})
    card = model_card(facts)
    assert "| label3 | label7 | 9 |\n| label2 | label1 | 4 |\n" in card
    assert "| label5 | label5 |" not in card
    assert "label19 and 10 more" in card


def test_importing_it_loads_neither_matplotlib_nor_tensorflow():
    program = (
        "import sys, nlpseq.report.model_card, nlpseq.report.comparison;"
        "assert not {'matplotlib', 'tensorflow', 'keras'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
