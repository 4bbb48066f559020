"""How a hostile file must end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from nlpseq.errors import UserError


def refusal(file: Path, use: Callable[[Path], object]) -> str:
    """What is said when the file is used: one line of a length to be read, which begins with the file's name."""
    with pytest.raises(UserError) as refused:
        use(file)
    message = str(refused.value)
    assert message.startswith(str(file))
    assert message.isprintable()
    assert len(message) < 600
    return message
