"""What all pictures share: figures without global state, text that the fonts can draw, and PNG bytes.

All functions here need matplotlib. A picture calls :func:`require_matplotlib` first.
"""

from __future__ import annotations

import functools
import io
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from nlpseq.errors import MissingExtraError, UserError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DOTS_PER_INCH = 120

INK, MUTED, FAINT = "#222222", "#666666", "#d9d9d9"
# Okabe & Ito 2008: people with any kind of color blindness can tell them apart.
SERIES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")

_MISSING_GLYPH = "□"
_MARKS = {"\n": "↵", "\r": "", "\t": "⇥", "▁": "·"}
_JOINERS = "\u200c\u200d"  # they shape Persian and Indic words
# DejaVu Sans comes with matplotlib. These have the scripts that it lacks; those that are installed are used.
_FURTHER_FAMILIES = (
    "Noto Sans CJK JP",
    "Noto Sans CJK SC",
    "Noto Sans JP",
    "Noto Sans SC",
    "Noto Sans KR",
    "WenQuanYi Micro Hei",
    "Hiragino Sans",
    "PingFang SC",
    "Apple SD Gothic Neo",
    "Microsoft YaHei",
    "Yu Gothic",
    "Malgun Gothic",
    "Source Han Sans",
    "Droid Sans Fallback",
    "Arial Unicode MS",
    "Noto Sans Devanagari",
    "Noto Sans Thai",
)


def require_matplotlib() -> None:
    """Checks that pictures can be drawn.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError:
        raise MissingExtraError("matplotlib") from None


def check_name(file: str | Path) -> None:
    """Checks that a file can be a picture.

    Raises:
        UserError: its name does not end in ".png".
    """
    if Path(file).suffix.lower() != ".png":
        raise UserError(f"{file}: pictures are PNG files: give a name that ends in .png")


def new_figure(width: float, height: float) -> Figure:
    """Returns an empty white figure; sizes in inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=DOTS_PER_INCH, facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def png(figure: Figure) -> bytes:
    """Returns the figure as a PNG file; equal figures give equal bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DOTS_PER_INCH, metadata={"Software": None})
    return buffer.getvalue()


def page(figure: Figure) -> Axes:
    """Returns axes over the whole figure, in inches from its upper left corner, y downwards."""
    width, height = figure.get_size_inches()
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(height, 0))
    axes.axis("off")
    return axes


def tidy(axes: Axes) -> None:
    """Removes what a chart does not need and adds a faint grid."""
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(MUTED)
    axes.grid(color=FAINT, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(colors=MUTED, labelcolor=INK, labelsize=9)


def legend(axes: Axes, place: Literal["upper right", "lower left"]) -> None:
    """Adds a legend without a frame."""
    from matplotlib.font_manager import FontProperties

    made = axes.legend(loc=place, frameon=False, handlelength=2.6, prop=FontProperties(family=list(_fonts()), size=9))
    for text in made.get_texts():
        text.set_parse_math(False)


def text_style(size: float, **more: Any) -> dict[str, Any]:
    """Returns keyword arguments for any matplotlib text: it is never read as mathematics; ``size`` in points."""
    return {"fontsize": size, "fontfamily": list(_fonts()), "color": INK, "parse_math": False, **more}


def drawable(text: str) -> str:
    """Returns the text in one line: signs for line breaks, tabs and "▁", a box for a character that no font has."""
    return "".join(_drawable_character(character) for character in text)


def undrawable(text: str) -> str:
    """Returns the characters of the text that no font has, each once."""
    lost = (each for each in dict.fromkeys(text) if _drawable_character(each) == _MISSING_GLYPH != each)
    return "".join(lost)


def text_width(text: str, size: float, *, bold: bool = False) -> float:
    """Returns the width of a :func:`drawable` text in inches; ``size`` in points."""
    if not text:
        return 0.0
    from matplotlib.font_manager import FontProperties

    properties = FontProperties(family=list(_fonts()), size=size, weight="bold" if bold else "normal")
    width, _, _ = _renderer().get_text_width_height_descent(text, properties, False)
    return width / DOTS_PER_INCH


def fitted(text: str, size: float, limit: float, *, bold: bool = False) -> str:
    """Returns the :func:`drawable` text, cut with "…" if it is wider than ``limit`` inches."""
    if len(text) * size < limit or text_width(text, size, bold=bold) <= limit:
        return text
    fits, too_long = 0, len(text)
    while too_long - fits > 1:
        middle = (fits + too_long) // 2
        if text_width(text[:middle].rstrip() + "…", size, bold=bold) <= limit:
            fits = middle
        else:
            too_long = middle
    return text[:fits].rstrip() + "…"


def message_picture(message: str) -> bytes:
    """Returns a picture that says why there is nothing to see."""
    figure = new_figure(5, 1)
    page(figure).text(2.5, 0.5, message, ha="center", va="center", **text_style(11, color=MUTED))
    return png(figure)


def _drawable_character(character: str) -> str:
    if character in _MARKS:
        return _MARKS[character]
    category = unicodedata.category(character)
    if category == "Zs":
        return " "
    if category in ("Cc", "Cf", "Zl", "Zp") and character not in _JOINERS:
        return ""
    known = any(ord(character) in characters for characters in _fonts().values())
    return character if known else _MISSING_GLYPH


@functools.cache
def _fonts() -> dict[str, frozenset[int]]:
    """Returns the font families to draw with, in order, and the code points that each has."""
    from matplotlib import font_manager

    installed = set(font_manager.fontManager.get_font_names())
    families = ["DejaVu Sans", *(family for family in _FURTHER_FAMILIES if family in installed)]
    paths = {family: font_manager.findfont(font_manager.FontProperties(family=family)) for family in families}
    return {family: frozenset(font_manager.get_font(path).get_charmap()) for family, path in paths.items()}


@functools.cache
def _renderer() -> Any:
    return new_figure(1, 1).canvas.get_renderer()  # type: ignore[attr-defined]
