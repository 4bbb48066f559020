"""A program as one TensorFlow Lite file of builtin operators.

All signatures share one copy of the weights. TensorFlow will drop ``tf.lite``: nothing else may import it.
"""

from __future__ import annotations

import tempfile
from typing import Any

import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from nlpseq.quiet import silenced_stderr
from nlpseq.tasks.base import Program, Signature

QUANTIZATIONS = ("none", "float16", "int8")


def convert(program: Program, quantization: str) -> bytes:
    """The program in a flatbuffer, without metadata.

    Args:
        program: of a task.
        quantization: "none" keeps float32; "float16" stores weights in 16 bits, and computes in 32; "int8" stores the
            weights of products in 8 bits, one scale a row, and brings what they are multiplied with to 8 bits while
            it runs (dynamic range).
    """
    with tempfile.TemporaryDirectory() as folder:
        signatures = {signature.name: _frozen(signature) for signature in program.signatures}
        options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
        with silenced_stderr():  # it would tell of gradients that are not saved, and of what it does
            tf.saved_model.save(tf.Module(), folder, signatures=signatures, options=options)
            converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=list(signatures))
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
            if quantization != "none":
                converter.optimizations = [tf.lite.Optimize.DEFAULT]
            if quantization == "float16":
                converter.target_spec.supported_types = [tf.float16]
            return converter.convert()


def _frozen(signature: Signature) -> Any:
    """The signature for one text, with constants in place of variables."""
    specs = {"text": tf.TensorSpec([signature.sizes["N"]], tf.uint8, "text")}
    for name, value in signature.numbers.items():
        specs[name] = tf.TensorSpec([1], tf.float32 if isinstance(value, float) else tf.int32, name)

    def one(text: tf.Tensor, **numbers: tf.Tensor) -> dict[str, tf.Tensor]:
        outputs = signature.function(text[None], **numbers)
        return {name: value if value.shape.rank == 1 else value[0] for name, value in outputs.items()}

    traced = tf.function(one, autograph=False).get_concrete_function(**specs)
    frozen = convert_variables_to_constants_v2(traced, lower_control_flow=False)
    names = sorted(traced.structured_outputs)  # what freezing forgets; it keeps their order

    def named(**inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        return dict(zip(names, frozen(**inputs), strict=True))

    return tf.function(named, autograph=False).get_concrete_function(**specs)
