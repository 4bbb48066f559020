"""Names of languages."""

from __future__ import annotations

import pytest

from nlpseq.text.languages import language_name


@pytest.mark.parametrize(("code", "name"), [("en", "English"), ("zh", "Chinese"), ("xx", "xx"), ("", "")])
def test_a_code_becomes_a_name_where_it_is_known(code: str, name: str) -> None:
    assert language_name(code) == name
