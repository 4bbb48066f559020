"""The model card says what a model is, how good it is, and what it is not for."""

import dataclasses
import math
import re
import subprocess
import sys

import pytest

from nlpseq import metrics
from nlpseq.metrics import Metric
from nlpseq.report.model_card import CardFacts, model_card

PROOF = {
    "operators": {"ADD": 316, "WHILE": 28},
    "examples": 2216,
    "metric": "bleu",
    "quality": {"keras": 51.94, "none": 51.94, "int8": 51.71},
    "tolerance": 0.3,
    "differences_from_keras": {
        "none": {"equal_translations": 1.0, "max_score_difference": 4.53e-6},
        "int8": {"equal_translations": 0.9639, "max_score_difference": 0.0682},
    },
    "model_bytes": {"none": 21_156_980, "int8": 8_041_496},
    "milliseconds": {"translate": 2.581},
    "peak_memory_bytes": 130_695_168,
}
TRANSLATION = CardFacts(
    name="en-fr",
    purpose="Translates from English into French: text in, text out.",
    version="0.1.0",
    created="2025-11-21",
    data={
        "train": "tfds:multi30k",
        "valid": "the corpus' own split",
        "test": "flickr.tsv.gz",
        "source": "Flickr",
        "licence": "CC BY-NC",
    },
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
    shown=(metrics.BLEU, metrics.CHRF, metrics.BLEU_LOWERCASED_TOKENIZED, metrics.SOURCES, metrics.REFERENCES),
    settings={"decoding": "beam 4, length penalty 1.0"},
    parameters=4_712_345,
    file_bytes={"model.tflite": 8_700_000, "model.keras": 19_000_000},
    training={"minutes": 24.6, "epochs": 12, "steps": 5400, "cores": 2, "seed": 1, "tokens_per_second": 5812.3},
    export=PROOF,
    usage=['nlpseq translate "Where is the station?" --model en-fr'],
    making=["nlpseq train-task translation --config saved_models/en-fr/config.toml --output NEW"],
    examples=[("Where is the station?", "Où est la gare ?"), ("a|b *c*", "<b>x</b>")],
    pictures={"curves.png": "Training loss", "pictures/my attention.png": "Attention"},
    limits=("It can leave words out.",),
    notes={"train": {"pairs longer than 100 pieces (data.max_length) left out": 1234}, "valid": {"texts cut": 2}},
)
SENTIMENT = CardFacts(
    name="sentiment-sample",
    purpose="Gives a text one of 2 labels: negative, positive.",
    version="0.1.0",
    created="2025-11-21",
    data={"train": "the sample", "valid": "10 % split off from the training data", "source": "", "licence": ""},
    is_sample=True,
    metrics={
        "valid": {
            "confusion": [[40, 3], [5, 35]],
            "examples": 83,
            "accuracy": 0.90361,
            "macro_f1": 0.9031,
            "nats": 0.25,
            "expected_calibration_error": 0.0312,
        }
    },
    shown=(metrics.ACCURACY, metrics.MACRO_F1, metrics.LOG_LOSS, metrics.CALIBRATION_ERROR, metrics.EXAMPLES),
    labels=("negative", "positive"),
    parameters=301_234,
    training={"minutes": 0.31, "epochs": 1, "steps": 1, "cores": 1},
    export={
        **PROOF,
        "metric": "accuracy",
        "quality": {"keras": 0.904, "none": 0.904, "int8": 0.9},
        "tolerance": 0.003,
    },
    usage=["nlpseq classify 'Never again.'"],
    making=["nlpseq train-task sentiment"],
    examples=[("Never\nagain.", "negative")],
)
CHAR_LM = CardFacts(
    name="shakespeare",
    purpose="Continues a text character by character.",
    version="0.1.0",
    created="2025-11-21",
    data={"train": "90 % of tinyshakespeare.txt"},
    metrics={"valid": {"nats_per_character": 1.44321, "bits_per_character": 2.08211, "characters": 111_540}},
    shown=(metrics.NATS_PER_CHARACTER, metrics.BITS_PER_CHARACTER, metrics.CHARACTERS),
    parameters=999_999,
    usage=["nlpseq generate"],
    making=["nlpseq train-task char-lm"],
    examples=[("ROMEO:", "ROMEO:\nWhat say you? ```\nI am."), ("", "The" * 200)],
    verbatim=True,
)
ALL = pytest.mark.parametrize("facts", [TRANSLATION, SENTIMENT, CHAR_LM], ids=lambda facts: facts.name)


def section(card: str, title: str) -> str:
    return card.split(f"\n## {title}\n\n")[1].split("\n## ")[0]


def test_the_top_says_the_most_important() -> None:
    top = model_card(TRANSLATION).split("\n## ")[0]
    assert top == (
        "# en-fr\n\nTranslates from English into French: text in, text out.\n\n"
        "- BLEU 58.1, chrF 73.3 on the test part\n"
        "- 4.7 million parameters; `model.tflite` 8.7 MB; `model.keras` 19.0 MB\n"
        "- made with nlpseq 0.1.0 on 2025-11-21\n"
    )


def test_results_stand_in_the_order_of_the_task() -> None:
    results = section(model_card(TRANSLATION), "Results")
    assert results.startswith(
        "|  | better | validation | test |\n| --- | --- | ---: | ---: |\n"
        "| BLEU | higher | 57.1 | 58.1 |\n"
        "| chrF | higher | 72.0 | 73.3 |\n"
        "| BLEU, lowercased, Moses-tokenized | higher | – | 61.4 |\n"
        "| sentences measured |  | 1,014 | 1,000 |\n"
        "| reference translations |  | 1,014 | 1,000 |\n"
    )
    assert "\nDecoding: beam 4, length penalty 1.0.\n" in results
    assert "- BLEU: `nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:2.5.1`" in results
    assert "![Attention](pictures/my%20attention.png)" in results
    assert "No test part" not in results


def test_a_model_of_the_sample_is_called_a_toy() -> None:
    card = model_card(SENTIMENT)
    top = card.split("\n## ")[0]
    assert "This is a toy" in top
    assert "- accuracy 90.4 %, macro-averaged F1 0.903 on the validation part\n- 301,234 parameters\n" in top
    assert section(card, "Limits").startswith("- It is a toy")
    assert "| source | the sample that comes with nlpseq |" in card
    assert "toy" not in model_card(TRANSLATION)


def test_results_of_a_classifier() -> None:
    results = section(model_card(SENTIMENT), "Results")
    assert "| accuracy | higher | 90.4 % |" in results
    assert "| calibration error | lower | 0.031 |" in results
    assert "| texts measured |  | 83 |" in results
    assert "| true label | as negative | as positive |" in results
    assert "| **negative** | 40 | 3 |\n| **positive** | 5 | 35 |" in results
    assert "No test part was measured" in results


def test_the_exported_file_and_what_it_may_lose() -> None:
    exported = section(model_card(TRANSLATION), "Exported file")
    assert "on 2,216 examples of the validation part. It may lose 0.3 of BLEU:" in exported
    assert "| Keras | 51.9 |  |  |" in exported
    assert (
        "| file of 8-bit weights | 51.7 | 8.0 MB | equal translations 0.964, max score difference 0.0682 |" in exported
    )
    assert "translate 2.6 ms" in exported
    assert "takes 130.7 MB" in exported
    assert "ADD 316, WHILE 28." in exported
    assert "It may lose 0.3 points:" in model_card(SENTIMENT)


def test_the_data_is_what_the_facts_say() -> None:
    """Nothing is guessed from a SPEC: a corpus with its own splits was once said to be split off."""
    data = section(model_card(TRANSLATION), "Data")
    rows = ["training | tfds:multi30k", "validation | the corpus' own split", "test | flickr.tsv.gz"]
    assert data.startswith(
        "|  |  |\n| --- | --- |\n" + "".join(f"| {row} |\n" for row in rows) + "| source | Flickr |\n"
    )
    assert "split off" not in data
    assert "none" not in data
    assert "split off" in section(model_card(SENTIMENT), "Data")


def test_what_was_cut_or_left_out_is_in_the_card() -> None:
    data = section(model_card(TRANSLATION), "Data")
    assert data.rstrip().endswith(
        "- training: 1,234 pairs longer than 100 pieces (data.max\\_length) left out\n- validation: 2 texts cut"
    )


@pytest.mark.parametrize("licence", [{}, {"licence": ""}])
def test_a_licence_that_nobody_stated(licence: dict[str, str]) -> None:
    card = model_card(dataclasses.replace(TRANSLATION, data={"train": "my.tsv", **licence}))
    assert "| training | my.tsv |\n| source | not stated |\n| licence | not stated: find out" in card


def test_how_it_was_made() -> None:
    making = section(model_card(TRANSLATION), "Make it again")
    assert TRANSLATION.making[0] in making
    assert "Training took 25 minutes on 2 CPU cores, 12 epochs, 5,400 steps, 5,812 tokens a second, seed 1." in making
    assert "Training took 0.3 minutes on 1 CPU core, 1 epoch, 1 step." in model_card(SENTIMENT)


def test_generated_text_keeps_its_lines() -> None:
    examples = section(model_card(CHAR_LM), "Examples")
    # A longer fence than any in the text: the text cannot end the block.
    assert "From “ROMEO:”:\n\n````\nROMEO:\nWhat say you? ```\nI am.\n````" in examples
    assert f"From nothing:\n\n```\n{('The' * 200)[:400]} …\n```" in examples
    assert "| Never again. | negative |" in model_card(SENTIMENT)


@ALL
def test_every_card_is_short_and_whole(facts: CardFacts) -> None:
    card = model_card(facts)
    assert len(card.splitlines()) < 120
    for heading in ("Use it", "Results", "Examples", "Data", "Limits", "Make it again"):
        assert f"\n## {heading}\n\n" in card
    assert "\n\n\n" not in card
    assert facts.usage[0] in section(card, "Use it")
    assert "None" not in card
    assert "nan" not in card.split()


@ALL
def test_the_columns_of_each_table_are_equally_many(facts: CardFacts) -> None:
    without_code = re.sub(r"(`{3,})[^`].*?\1", "", model_card(facts), flags=re.DOTALL)
    tables = re.findall(r"(?:^\|.*\|\n)+", without_code, flags=re.MULTILINE)
    assert len(tables) >= 2
    for table in tables:
        # Bars inside of code or behind a backslash are text.
        rows = [re.sub(r"\\\||`[^`]*`", "", row) for row in table.splitlines()]
        assert len({row.count("|") for row in rows}) == 1, table


def test_text_does_not_become_markup() -> None:
    card = model_card(dataclasses.replace(TRANSLATION, purpose="Reads\n# <b> [x]", limits=["a *b*"]))
    assert r"| a\|b \*c\* | \<b\>x\</b\> |" in card
    assert "\nReads \\# \\<b\\> \\[x\\]\n" in card
    assert r"- a \*b\*" in card


def test_what_is_not_known_is_left_out() -> None:
    bare = CardFacts(name="m", purpose="It does.", version="1", created="2025-11-21", parameters=7)
    headings = re.findall("^## (.*)", model_card(bare), flags=re.MULTILINE)
    assert headings == ["Results", "Data", "Limits"]
    assert "Nothing was measured." in model_card(bare)
    assert "- 7 parameters\n" in model_card(bare)
    assert "\n\n\n" not in model_card(bare)


def test_a_task_of_somebody_else_brings_its_own_metrics() -> None:
    measured = {"parent_f1": 0.5, "my_count": 12345, "my_score": 0.123456, "flag": True, "text": "x", "none": None}
    facts = dataclasses.replace(
        CHAR_LM,
        metrics={"test": measured, "my_part": {"parent_f1": math.nan}},
        shown=(Metric("parent_f1", "F1 of parents", True, decimals=2),),
    )
    card = model_card(facts)
    assert "- F1 of parents 0.50 on the test part" in card
    results = section(card, "Results")
    # Those that the task does not state go by their keys, and have no direction.
    assert results == (
        "|  | better | test | my\\_part |\n| --- | --- | ---: | ---: |\n"
        "| F1 of parents | higher | 0.50 | – |\n"
        "| my count |  | 12,345 | – |\n"
        "| my score |  | 0.1235 | – |\n"
    )


def test_many_labels_give_the_worst_confusions() -> None:
    labels = tuple(f"label{number}" for number in range(30))
    confusion = [[0] * 30 for _ in labels]
    confusion[5][5] = 99
    facts = dataclasses.replace(SENTIMENT, labels=labels, metrics={"test": {"accuracy": 0.5, "confusion": confusion}})
    assert "confusions" not in model_card(facts)
    confusion[3][7], confusion[2][1] = 9, 12
    card = model_card(facts)
    assert "| label2 | label1 | 12 |\n| label3 | label7 | 9 |\n\n" in card
    assert "label5" not in card


def test_further_tables() -> None:
    table = ("Robust against typing errors", ("errors", "BLEU"), [("none", "58.1"), ("1 in 10", "41.0")])
    results = section(model_card(dataclasses.replace(TRANSLATION, tables=[table])), "Results")
    assert (
        "### Robust against typing errors\n\n"
        "| errors | BLEU |\n| --- | ---: |\n| none | 58.1 |\n| 1 in 10 | 41.0 |\n" in results
    )


def test_importing_it_loads_neither_matplotlib_nor_tensorflow() -> None:
    program = (
        "import sys, nlpseq.metrics, nlpseq.report.model_card, nlpseq.report.comparison_page, nlpseq.report.curves;"
        "assert not {'matplotlib', 'tensorflow', 'keras', 'sacrebleu', 'sacremoses'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
