"""The curves of a training, whatever its history is."""

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from nlpseq.errors import MissingExtraError
from nlpseq.metrics import ACCURACY, BLEU, NATS_PER_CHARACTER, Metric
from nlpseq.report.curves import curves_picture
from tests.report.png import pixels, size

pytestmark = pytest.mark.usefixtures("no_warning")


def line(epoch: int, **more: Any) -> dict[str, Any]:
    return {"epoch": epoch, "step": 10 * epoch, "seconds": 30.0 * epoch, "loss": 3 / epoch, **more}


@pytest.mark.parametrize(
    ("epochs", "metric"),
    [(1, BLEU), (2, NATS_PER_CHARACTER), (300, ACCURACY), (12, Metric("odd", "my_metric_$\\frac$", True))],
)
def test_curves_of_any_number_of_epochs(epochs: int, metric: Metric) -> None:
    size(curves_picture([line(epoch, **{f"valid_{metric.key}": 0.5}) for epoch in range(1, epochs + 1)], metric))


def test_without_an_epoch_there_is_a_message() -> None:
    assert size(curves_picture([], BLEU))[1] < 200


@pytest.mark.parametrize("missing", [None, float("nan")])
def test_epochs_that_were_not_measured_are_left_out(missing: float | None) -> None:
    history = [line(1, valid_bleu=missing), line(2, valid_bleu=3.0)]
    assert curves_picture(history, BLEU) == curves_picture([line(1), history[1]], BLEU)
    size(curves_picture(history[:1], BLEU))


def test_without_seconds_epochs_are_the_axis() -> None:
    history = [{"epoch": epoch, "loss": 1.0, "valid_bleu": 1.0 * epoch} for epoch in (1, 2)]
    by_epoch = curves_picture(history, BLEU)
    size(by_epoch)
    assert by_epoch != curves_picture([{**history[0], "seconds": 60.0}, {**history[1], "seconds": 120.0}], BLEU)
    assert by_epoch == curves_picture([{**history[0], "seconds": 60.0}, history[1]], BLEU)


@pytest.mark.parametrize(
    ("metric", "best"), [(BLEU, 0), (NATS_PER_CHARACTER, 1), (Metric("my_score", "my score", False), 1)]
)
def test_the_best_epoch_follows_the_metric_s_direction(metric: Metric, best: int) -> None:
    """The dashed line goes down both panels, so its column is the darkest of no color."""
    values = [9.0, 1.0, 5.0, 5.0]
    history = [line(epoch, **{f"valid_{metric.key}": value}) for epoch, value in enumerate(values, 1)]
    image = pixels(curves_picture(history, metric))
    neutral = np.ptp(image, axis=-1) < 0.02
    gray = np.where(neutral & (image[..., 0] < 0.8), 1 - image[..., 0], 0).sum(axis=0)
    gray[: image.shape[1] // 6] = 0  # the vertical axis
    of_left_edge = (gray.argmax() / image.shape[1] - 0.11) / 0.86
    assert of_left_edge == pytest.approx((best + 1) / 4 / 1.04, abs=0.02)


def test_the_curve_has_the_scale_of_the_shown_value() -> None:
    scaled, plain = (Metric("x", "x", True, scale=scale) for scale in (100, 1))
    assert curves_picture([line(1, valid_x=0.5)], scaled) == curves_picture([line(1, valid_x=50.0)], plain)


def test_a_metric_that_was_not_measured_is_refused() -> None:
    with pytest.raises(ValueError, match="has 'valid_chrf': the lines have epoch, loss, valid_bleu"):
        curves_picture([{"epoch": 1, "loss": 1.0, "valid_bleu": 3.0}], Metric("chrf", "chrF", True))


def test_without_matplotlib_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match=r"matplotlib.*nlpseq\[train\]"):
        curves_picture([line(1, valid_bleu=3.0)], BLEU)


def test_neither_pyplot_nor_tensorflow_is_imported() -> None:
    program = (
        "import sys; from nlpseq.metrics import BLEU; from nlpseq.report.curves import curves_picture as draw;"
        "draw([{'epoch': 1, 'loss': 1.0, 'valid_bleu': 2.0}], BLEU);"
        "assert not {'matplotlib.pyplot', 'tensorflow', 'keras'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
