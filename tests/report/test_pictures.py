"""Pictures of attention and relevance: the same for the same input, whatever text is in them."""

import sys
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from nlpseq.errors import MissingExtraError, UserError
from nlpseq.report import figures, pictures
from nlpseq.report.pictures import attention_picture, heatmap, relevance_picture
from nlpseq.runtime.results import Classification, Translation, joined
from tests.report.png import is_blue, is_orange, pixels, size

pytestmark = pytest.mark.usefixtures("no_warning")

# Read as mathematics, each of the first three raises or loses characters.
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


def translation(source_pieces: Sequence[str], pieces: Sequence[str], source: str = "a text") -> Translation:
    weights = np.random.default_rng(0).random((len(pieces), len(source_pieces)))
    rows = tuple(map(tuple, (weights / weights.sum(axis=1, keepdims=True)).tolist()))
    return Translation("", -1.0, tuple(pieces), tuple(source_pieces), rows, source)


def classification(
    pieces: Sequence[str], relevance: Sequence[float], label: str = "positive", probability: float = 0.8
) -> Classification:
    return Classification(label, {label: probability, "other": 1 - probability}, tuple(pieces), tuple(relevance), "")


PICTURES: dict[str, Callable[[], bytes]] = {
    "attention": lambda: attention_picture([translation("abc", "de"), translation("a", "b"), translation("ab", "cde")]),
    "relevance": lambda: relevance_picture([classification(["▁good", "▁film"], [0.5, -0.1])]),
}


@pytest.mark.parametrize("name", PICTURES)
def test_equal_input_gives_equal_bytes(name: str) -> None:
    png = PICTURES[name]()
    size(png)
    assert png == PICTURES[name]()
    assert b"Software" not in png
    assert b"date" not in png.lower()


@pytest.mark.parametrize("name", PICTURES)
def test_without_matplotlib_the_error_names_the_extra(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match=r"matplotlib.*nlpseq\[train\]"):
        PICTURES[name]()


# Attention


def test_attention_of_any_text() -> None:
    size(attention_picture([translation([text, "</s>"], [text], source=text) for text in ODD_TEXTS]))


@pytest.mark.parametrize(("sources", "targets"), [(200, 1), (1, 200), (500, 500)])
def test_attention_of_any_length_stays_of_a_readable_size(sources: int, targets: int) -> None:
    pieces = [f"▁piece{number}" for number in range(max(sources, targets))]
    size(attention_picture([translation(pieces[:sources], pieces[:targets])]))


def test_attention_without_pieces_or_texts() -> None:
    empty = Translation("", 0.0, (), (), (), "")
    size(attention_picture([]))
    assert attention_picture([empty]) == attention_picture([])
    assert attention_picture([empty, translation("ab", "cd")]) == attention_picture([translation("ab", "cd")])


def test_many_translations_are_cut_to_twelve() -> None:
    each = translation("ab", "cd")
    twelve = attention_picture([each] * 12)
    assert attention_picture([each] * 40) == twelve
    assert size(attention_picture([each] * 10))[1] < size(twelve)[1]


def test_attention_that_is_not_a_number_is_drawn_as_none() -> None:
    odd, zero = (
        attention_picture([Translation("", 0.0, ("a", "b"), ("c", "d"), ((weight, 1.0), (0.5,)), "")])
        for weight in (float("nan"), 0.0)
    )
    assert odd == zero


def test_rows_are_target_pieces_and_columns_source_pieces() -> None:
    wide = size(attention_picture([translation(["a"] * 30, ["b"] * 10)]))
    high = size(attention_picture([translation(["a"] * 10, ["b"] * 30)]))
    assert wide[0] > high[0]
    assert wide[1] < high[1]


def test_more_attention_is_darker() -> None:
    def darkest_column(weights: tuple[float, ...]) -> int:
        image = pixels(attention_picture([Translation("", 0.0, ("a",) * 12, ("b",) * 12, (weights,) * 12, "")]))
        map_only = image[:, : image.shape[1] - 150]  # without the color bar
        return int((map_only[..., 0] < 0.1).sum(axis=0).argmax())

    first, last = (1.0,) + (0.0,) * 11, (0.0,) * 11 + (1.0,)
    assert darkest_column(first) + 250 < darkest_column(last)


def test_a_heatmap_has_words_in_the_place_of_pieces() -> None:
    rows = ((0.5, 0.5, 0.0), (0.0, 0.0, 1.0))
    pieces = Translation("", -1.0, ("▁gare", "</s>"), ("▁sta", "tion", "</s>"), rows, "station")
    words = Translation("", -1.0, ("gare", "</s>"), ("station", "</s>"), ((1.0, 0.0), (0.0, 1.0)), "station")
    assert heatmap(pieces) == attention_picture([words])


def test_each_part_of_a_text_has_a_map() -> None:
    one, other = translation(["▁a", "</s>"], ["▁b", "</s>"], "a"), translation(["▁c", "</s>"], ["▁d", "</s>"], "c")
    both = joined("a c", "b d", [one, other])
    assert size(heatmap(both))[0] > size(heatmap(one))[0]
    assert size(heatmap(joined("a" * 20, "b" * 20, [one] * 20))) == size(attention_picture([one] * 12))


def test_characters_that_no_font_has() -> None:
    assert figures.undrawable("a□é🙂\n\u0379\u0379") in ("🙂\u0379", "\u0379")


def test_only_a_png_file_can_be_a_picture() -> None:
    figures.check_name("a/b.PNG")
    with pytest.raises(UserError, match=r"^a\.pdf: pictures are PNG files: give a name that ends in \.png$"):
        figures.check_name("a.pdf")


# Relevance


def test_relevance_of_any_text() -> None:
    texts = [classification([text, "▁and", text], [0.3, -0.1, 0.0], label=text or "empty") for text in ODD_TEXTS]
    size(relevance_picture(texts))


def test_relevance_of_any_length() -> None:
    counts = (0, 1, 61, 3000)
    words = [classification(["▁word", "s"] * count, [0.1, -0.2] * count) for count in counts]
    size(relevance_picture([*words, *(classification(["字"] * count, [0.1] * count) for count in counts)]))


def test_no_text_to_show() -> None:
    assert size(relevance_picture([]))[1] < 200


def test_relevance_of_zero_or_not_a_number_has_no_color() -> None:
    plain = relevance_picture([classification(["▁a", "▁b"], [0.0, 0.0])])
    assert relevance_picture([classification(["▁a", "▁b"], [float("nan"), float("inf")])]) == plain


def test_orange_is_for_and_blue_against() -> None:
    legend, orange, blue = (relevance_picture([classification(["▁words"], [value])]) for value in (0.0, 2.0, -2.0))
    assert is_orange(orange).sum() > is_orange(legend).sum() + 500
    assert is_blue(orange).sum() == is_blue(legend).sum()
    assert is_blue(blue).sum() > is_blue(legend).sum() + 500
    assert is_orange(blue).sum() == is_orange(legend).sum()


def test_each_text_has_its_own_scale() -> None:
    pieces = ["▁a", "▁b"]
    faint, strong = classification(pieces, [0.001, -0.0005]), classification(pieces, [1.0, -0.5])
    assert relevance_picture([strong, faint]) == relevance_picture([strong, strong])


def test_a_probability_near_one_is_not_shown_as_one() -> None:
    near, nearer, less = (
        relevance_picture([classification(["▁a"], [0.0], probability=probability)])
        for probability in (0.9996, 1.0, 0.999)
    )
    assert near == nearer != less


def test_a_long_text_is_cut_around_its_strongest_pieces() -> None:
    relevance = [0.0] * 500
    relevance[250] = 1.0
    long = relevance_picture([classification(["▁word"] * 500, relevance)])
    short = relevance_picture([classification(["▁word"] * 60, relevance[221:281])])
    assert is_orange(long).sum() == pytest.approx(is_orange(short).sum(), rel=0.1)
    assert size(long)[1] <= size(short)[1] + 40


def test_an_excerpt_begins_with_a_word() -> None:
    for strongest in (250, 251):
        relevance = [0.0] * 500
        relevance[strongest] = 1.0
        excerpt = pictures._excerpt(pictures._chips(classification(["▁wo", "rd"] * 250, relevance)))
        assert [chip.text for chip in excerpt[:3]] == ["…", "wo", "rd"]
        assert 1.0 in [chip.strength for chip in excerpt]


def test_bytes_of_a_character_are_put_together() -> None:
    whole = relevance_picture([classification(["▁caf", "é"], [0.1, 0.4])])
    assert relevance_picture([classification(["▁caf", "<0xC3>", "<0xA9>", "</s>"], [0.1, 0.4, -0.2, 0.1])]) == whole


def test_a_character_tokenizer_s_spaces_break_words() -> None:
    """A line has room for three words and most of a fourth."""

    def right_edge(words: int) -> int:
        characters = list(" ".join(["m" * 14] * words))
        return int(
            is_orange(relevance_picture([classification(characters, [1.0] * len(characters))])).any(0).nonzero()[0][-1]
        )

    assert right_edge(2) < right_edge(3) == right_edge(4)
