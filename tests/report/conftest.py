"""What the tests of pictures share."""

import warnings
from collections.abc import Iterator

import pytest


@pytest.fixture
def no_warning(capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    """A warning fails the test, and so does anything on stderr."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield
    assert capfd.readouterr().err == ""
