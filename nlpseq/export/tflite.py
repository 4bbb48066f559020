"""A program as one TensorFlow Lite file of builtin operators.

All signatures share one copy of the weights, and of loops that are equal. TensorFlow will drop ``tf.lite``: nothing
else may import it.
"""

from __future__ import annotations

import tempfile
from typing import Any

import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from nlpseq.export.compaction import compacted
from nlpseq.export.inspection import ExportError
from nlpseq.programs.program import Program, Signature
from nlpseq.quiet import silenced_stderr


def convert(program: Program, quantization: str) -> bytes:
    """The program in a flatbuffer, without metadata.

    Args:
        program: of a task.
        quantization: "none" keeps float32; "float16" stores weights in 16 bits, and computes in 32; "int8" stores the
            weights of products in 8 bits, one scale a row, and brings what they are multiplied with to 8 bits while
            it runs (dynamic range).

    Raises:
        ExportError: TensorFlow has no converter, or the converter refuses the program.
    """
    if not hasattr(tf, "lite"):
        raise ExportError(f"TensorFlow {tf.__version__} has no tf.lite, which converts: pip install 'tensorflow<2.22'")
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
            try:
                content = converter.convert()
            except Exception as error:  # whatever MLIR says, over many lines
                raise ExportError(f"TensorFlow Lite cannot hold this program: {_reason(error)}") from error
    return compacted(content)


def _frozen(signature: Signature) -> Any:
    """The signature for one text, with constants in place of variables."""
    traced = signature.for_one_text()
    frozen = convert_variables_to_constants_v2(traced, lower_control_flow=False)
    names = sorted(traced.structured_outputs)  # what freezing forgets; it keeps their order

    def named(**inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        return dict(zip(names, frozen(**inputs), strict=True))

    return tf.function(named, autograph=False).get_concrete_function(**signature.specs_for_one_text())


def _reason(error: Exception) -> str:
    """The line of a converter's message that says most."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    telling = [line for line in lines if "error:" in line]
    return (telling or lines or [type(error).__name__])[0][:300]
