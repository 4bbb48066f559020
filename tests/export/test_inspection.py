"""Files that not every runtime could run are told from those that can be."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import tensorflow as tf

from nlpseq.export.inspection import ExportError, check, operators


def converted(function: Callable[[tf.Tensor], dict[str, tf.Tensor]], *, custom: bool = False) -> bytes:
    """A file with one signature of an int32[4]."""
    traced = tf.function(function, autograph=False).get_concrete_function(x=tf.TensorSpec([4], tf.int32, "x"))
    module = tf.Module()
    module.run = tf.function(function, input_signature=[tf.TensorSpec([4], tf.int32, "x")], autograph=False)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([traced], module)
    converter.allow_custom_ops = custom
    return converter.convert()


def test_operators_are_counted() -> None:
    found = operators(converted(lambda x: {"y": x * x + 1}))
    assert found == {"ADD": 1, "MUL": 1}


def test_a_sound_file_passes() -> None:
    check(converted(lambda x: {"y": x + 1, "z": x * 2}))


def counted(x: tf.Tensor) -> tf.Tensor:
    """A loop over a tensor whose shape depends on the input."""
    some = x[: x[0]]
    return tf.while_loop(
        lambda index, _: index < tf.shape(some)[0],
        lambda index, sums: (index + 1, sums + tf.reduce_sum(some) * tf.ones([4], tf.int32)),
        (tf.constant(0), tf.zeros([4], tf.int32)),
    )[1]


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (lambda x: {"y": tf.identity(x), "z": x + 1}, "'y' of 'serving_default' is an input passed on"),
        (lambda x: {"y": x + 1, "z": x + 1}, "has two names"),
        (lambda x: {"y": counted(x)}, "comes straight out of WHILE"),
        (lambda x: {"y": x[: x[0]] + 1}, "has no fixed shape"),
    ],
)
def test_what_a_runtime_would_get_wrong_is_refused(
    function: Callable[[tf.Tensor], dict[str, tf.Tensor]], reason: str
) -> None:
    with pytest.raises(ExportError, match=reason):
        check(converted(function))


def test_what_is_not_built_in_is_refused() -> None:
    content = converted(lambda x: {"y": tf.math.bincount(x, minlength=4, maxlength=4)}, custom=True)
    with pytest.raises(ExportError, match="not built into TensorFlow Lite: custom"):
        check(content)
