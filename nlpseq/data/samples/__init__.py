"""Bundled samples: the project's own text, so that every task trains at once and offline."""

from __future__ import annotations

from importlib import resources


def stories() -> str:
    """Returns the text for the character language model."""
    return resources.files(__package__).joinpath("stories.txt").read_text(encoding="utf-8")
