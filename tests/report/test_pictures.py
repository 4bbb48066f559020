"""Pictures: PNG files that are the same for the same input, whatever text is in them."""

import io
import struct
import subprocess
import sys
import warnings

import numpy as np
import pytest

from nlpseq.errors import MissingExtraError
from nlpseq.report.figures import drawable, fitted, text_width
from nlpseq.report.pictures import attention_picture, curves_picture, relevance_picture
from nlpseq.runtime.results import Classification, Translation

# Read as mathematics, each of these raises or loses characters.
ODD_TEXTS = [
    "$\\frac$",
    "$5 and $10",
    "_a_^b",
    "日本語 ไทย עברית",
    "😀😶‍🌫️\ufe0f",
    "a\nb\tc\r\x00",
    "\ud800",
    "▁",
    "",
    "x" * 500,
]
LONGEST_SIDE = 2400  # pixels


@pytest.fixture(autouse=True)
def no_warning(capfd):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield
    assert capfd.readouterr().err == ""


def translation(source_pieces, pieces, source="a text"):
    weights = np.random.default_rng(0).random((len(pieces), len(source_pieces)))
    rows = tuple(map(tuple, (weights / weights.sum(axis=1, keepdims=True)).tolist()))
    return Translation("", -1.0, tuple(pieces), tuple(source_pieces), rows, source)


def classification(pieces, relevance, label="positive", probability=0.8):
    return Classification(label, {label: probability, "other": 1 - probability}, tuple(pieces), tuple(relevance), "")


def line(epoch, **more):
    return {"epoch": epoch, "step": 10 * epoch, "seconds": 30.0 * epoch, "loss": 3 / epoch, **more}


def size(png):
    """Width and height; checks that it is a PNG file."""
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", png[16:24])
    assert 0 < width <= LONGEST_SIDE
    assert 0 < height <= LONGEST_SIDE
    return width, height


def pixels(png):
    """float [height, width, 3], from 0 to 1."""
    from matplotlib.image import imread

    return imread(io.BytesIO(png), format="png")[..., :3]


def coloured(image):
    """How many pixels are clearly orange, and how many clearly blue."""
    warmth = image[..., 0] - image[..., 2]
    return int((warmth > 0.3).sum()), int((warmth < -0.3).sum())


PICTURES = {
    "attention": lambda: attention_picture([translation("abc", "de"), translation("a", "b"), translation("ab", "cde")]),
    "relevance": lambda: relevance_picture([classification(["▁good", "▁film"], [0.5, -0.1])]),
    "curves": lambda: curves_picture([line(1, valid_bleu=3.0), line(2, valid_bleu=5.0)], "bleu"),
}


@pytest.mark.parametrize("name", PICTURES)
def test_equal_input_gives_equal_bytes(name):
    png = PICTURES[name]()
    size(png)
    assert png == PICTURES[name]()
    assert b"Software" not in png
    assert b"date" not in png.lower()


@pytest.mark.parametrize("name", PICTURES)
def test_without_matplotlib_the_error_names_the_extra(name, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match=r"matplotlib.*nlpseq\[train\]"):
        PICTURES[name]()


def test_neither_pyplot_nor_tensorflow_is_imported():
    program = (
        "import sys; from nlpseq.report.pictures import curves_picture as draw; assert 'matplotlib' not in sys.modules;"
        "draw([{'epoch': 1, 'loss': 1.0, 'valid_bleu': 2.0}], 'bleu');"
        "assert not {'matplotlib.pyplot', 'tensorflow', 'keras'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


# Attention


@pytest.mark.parametrize("text", ODD_TEXTS)
def test_attention_of_any_text(text):
    size(attention_picture([translation([text, "</s>"], [text], source=text)]))


@pytest.mark.parametrize(("sources", "targets"), [(1, 1), (200, 170), (200, 1), (1, 200), (700, 700), (40, 41)])
def test_attention_of_any_length_stays_of_a_readable_size(sources, targets):
    pieces = [f"▁piece{number}" for number in range(max(sources, targets))]
    size(attention_picture([translation(pieces[:sources], pieces[:targets])] * 2))


def test_attention_without_pieces_or_texts():
    empty = Translation("", 0.0, (), (), (), "")
    size(attention_picture([]))
    assert attention_picture([empty]) == attention_picture([])
    assert attention_picture([empty, translation("ab", "cd")]) == attention_picture([translation("ab", "cd")])


def test_many_translations_are_cut_to_twelve():
    each = translation("ab", "cd")
    assert attention_picture([each] * 40) == attention_picture([each] * 12)


def test_attention_that_is_not_a_number_is_drawn_as_none():
    rows = ((float("nan"), 1.0), (0.5,))
    size(attention_picture([Translation("", 0.0, ("a", "b"), ("c", "d"), rows, "")]))


def test_rows_are_target_pieces_and_columns_source_pieces():
    wide = size(attention_picture([translation(["a"] * 30, ["b"] * 10)]))
    high = size(attention_picture([translation(["a"] * 10, ["b"] * 30)]))
    assert wide[0] > high[0]
    assert wide[1] < high[1]


def test_more_attention_is_darker():
    def darkest_column(weights):
        png = attention_picture([Translation("", 0.0, ("a",) * 12, ("b",) * 12, (weights,) * 12, "")])
        image = pixels(png)
        map_only = image[:, : image.shape[1] - 150]  # without the colour bar
        return int((map_only[..., 0] < 0.1).sum(axis=0).argmax())

    first, last = (1.0,) + (0.0,) * 11, (0.0,) * 11 + (1.0,)
    assert darkest_column(first) + 250 < darkest_column(last)


# Relevance


@pytest.mark.parametrize("text", ODD_TEXTS)
def test_relevance_of_any_text(text):
    size(relevance_picture([classification([text, "▁and", text], [0.3, -0.1, 0.0], label=text or "empty")]))


@pytest.mark.parametrize("count", [0, 1, 60, 61, 200, 3000])
def test_relevance_of_any_length(count):
    size(relevance_picture([classification(["▁word", "s"] * count, [0.1, -0.2] * count)]))
    size(relevance_picture([classification(["字"] * count, [0.1] * count)]))


def test_no_text_to_show():
    size(relevance_picture([]))


def test_relevance_of_zero_or_not_a_number_has_no_colour():
    plain = relevance_picture([classification(["▁a", "▁b"], [0.0, 0.0])])
    assert relevance_picture([classification(["▁a", "▁b"], [float("nan"), float("inf")])]) == plain


def test_orange_is_for_and_blue_against():
    legend = coloured(pixels(relevance_picture([classification(["▁words"], [0.0])])))
    orange = coloured(pixels(relevance_picture([classification(["▁words"], [2.0])])))
    blue = coloured(pixels(relevance_picture([classification(["▁words"], [-2.0])])))
    assert orange[0] > legend[0] + 500
    assert orange[1] == legend[1]
    assert blue[1] > legend[1] + 500
    assert blue[0] == legend[0]


def test_each_text_has_its_own_scale():
    pieces = ["▁a", "▁b"]
    assert relevance_picture([classification(pieces, [0.001, -0.0005])]) == relevance_picture(
        [classification(pieces, [1.0, -0.5])]
    )


def test_a_long_text_is_cut_around_its_strongest_pieces():
    relevance = [0.0] * 500
    relevance[250] = 1.0
    long = pixels(relevance_picture([classification(["▁word"] * 500, relevance)]))
    short = pixels(relevance_picture([classification(["▁word"] * 60, relevance[221:281])]))
    assert coloured(long)[0] == pytest.approx(coloured(short)[0], rel=0.1)
    assert long.shape[0] <= short.shape[0] + 40


def test_bytes_of_a_character_are_put_together():
    whole = relevance_picture([classification(["▁caf", "é"], [0.1, 0.4])])
    assert relevance_picture([classification(["▁caf", "<0xC3>", "<0xA9>", "</s>"], [0.1, 0.4, -0.2, 0.1])]) == whole


def test_a_character_tokenizer_s_spaces_break_words():
    size(relevance_picture([classification(list("some words of a text\n" * 2), [0.1] * 42)]))


# Curves


@pytest.mark.parametrize("epochs", [1, 2, 12, 300])
@pytest.mark.parametrize("metric", ["bleu", "accuracy", "nats_per_character", "my_metric_$\\frac$"])
def test_curves_of_any_number_of_epochs(epochs, metric):
    size(curves_picture([line(epoch, **{f"valid_{metric}": 0.5}) for epoch in range(1, epochs + 1)], metric))


def test_curves_without_epoch_seconds_or_metric():
    size(curves_picture([], "bleu"))
    size(curves_picture([{"epoch": 1, "loss": 1.0, "valid_bleu": 1.0}], "bleu"))
    size(curves_picture([line(1), line(2, valid_bleu=None)], "bleu"))
    size(curves_picture([line(1, valid_bleu=float("nan")), line(2, valid_bleu=3.0)], "bleu"))
    size(curves_picture([line(1, valid_bleu=float("nan"))], "bleu"))


@pytest.mark.parametrize(("metric", "best"), [("bleu", 0), ("nats_per_character", 1), ("accuracy", 0), ("my_loss", 1)])
def test_the_best_epoch_follows_the_metric_s_direction(metric, best):
    """The dashed line goes down both panels, so its column is the darkest of no colour."""
    values = [9.0, 1.0, 5.0, 5.0]
    png = curves_picture([line(epoch, **{f"valid_{metric}": value}) for epoch, value in enumerate(values, 1)], metric)
    image = pixels(png)
    neutral = np.ptp(image, axis=-1) < 0.02
    grey = np.where(neutral & (image[..., 0] < 0.8), 1 - image[..., 0], 0).sum(axis=0)
    grey[: image.shape[1] // 6] = 0  # the vertical axis
    of_left_edge = (grey.argmax() / image.shape[1] - 0.11) / 0.86
    assert of_left_edge == pytest.approx((best + 1) / 4 / 1.04, abs=0.02)


# Text


def test_what_no_font_has_becomes_a_box():
    assert drawable("é ▁x\u0378") == "é ·x□"
    assert drawable("a\u202eb\x07\n\t") == "ab↵⇥"
    assert drawable("a\u00a0b\u2009c") == "a b c"


@pytest.mark.parametrize("text", ["", "a", "short", "a rather long text " * 20, "$a_b$"])
def test_text_is_cut_to_its_room(text):
    cut = fitted(text, 10, 1.0)
    assert text_width(cut, 10) <= 1.0
    assert cut == text or (cut.endswith("…") and text.startswith(cut[:-1]))


def test_dollars_take_room():
    assert text_width("$a_b$", 10) > text_width("a_b", 10)


def test_curves_of_a_metric_that_was_not_measured_are_refused() -> None:
    with pytest.raises(ValueError, match="has 'valid_valid_bleu': the lines have epoch"):
        curves_picture([{"epoch": 1, "loss": 1.0, "valid_bleu": 3.0}], "valid_bleu")
