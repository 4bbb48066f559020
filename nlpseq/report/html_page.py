"""HTML files that need no other file: headings, paragraphs, tables and pictures."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable, Sequence

Block = str  # a piece of HTML

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #222; max-width: 1000px; margin: 2em auto; padding: 0 1em; }
h1, h2, h3 { line-height: 1.2; margin-top: 1.6em; }
img { max-width: 100%; height: auto; }
pre { background: #f3f3f3; padding: 0.6em 1em; overflow-x: auto; }
div.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: 0.9em; margin: 1em 0; }
th, td { padding: 0.25em 0.8em; text-align: right; border-bottom: 1px solid #ddd; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
"""


def whole_page(title: str, blocks: Iterable[Block]) -> str:
    """Returns the page with its title."""
    body = "\n".join(blocks)
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{html.escape(title)}</title>\n'
        f"<style>{_STYLE}</style>\n</head>\n<body>\n<h1>{html.escape(title)}</h1>\n{body}\n</body>\n</html>\n"
    )


def section(title: str) -> Block:
    return f"<h2>{html.escape(title)}</h2>"


def heading(title: str) -> Block:
    return f"<h3>{html.escape(title)}</h3>"


def paragraph(text: str) -> Block:
    return f"<p>{html.escape(text)}</p>"


def command(line: str) -> Block:
    return f"<pre>{html.escape(line)}</pre>"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> Block:
    def row(cells: Sequence[str], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells) + "</tr>"

    lines = [row(header, "th"), *(row(cells, "td") for cells in rows)]
    return '<div class="wide"><table>\n' + "\n".join(lines) + "\n</table></div>"


def picture(png: bytes, words: str) -> Block:
    """Returns a PNG file as a part of the page.

    Args:
        png: the file.
        words: for those who cannot see it.
    """
    data = base64.b64encode(png).decode()
    return f'<img alt="{html.escape(words)}" src="data:image/png;base64,{data}">'
