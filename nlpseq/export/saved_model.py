"""A program as a SavedModel: the signatures of the ``.tflite``, for a batch of strings (docs/saved-model.md).

What it holds runs wherever TensorFlow does, without nlpseq, Keras or tf-text. Weights are variables, one copy for all
signatures. No device is written into the graph; what has no kernel for a GPU stands in name scopes called ``text``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tensorflow as tf
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel
from tensorflow.python.saved_model.fingerprinting_utils import write_fingerprint

from nlpseq.atomic_files import is_temporary, remove, scratch_folder
from nlpseq.errors import UserError
from nlpseq.programs.program import Program, Signature
from nlpseq.text.graph.utf8 import bytes_to_strings, strings_to_bytes

_MODEL = "saved_model.pb"  # without it a folder is no SavedModel


def write(program: Program, folder: Path) -> None:
    """Writes the program, which ``tf.saved_model.load(folder)`` loads.

    A kill at any moment leaves no folder that loads and is mixed. A SavedModel that stands in the folder is replaced
    when the new one is complete; other files stay.

    Signatures go by their names, the main one by ``serving_default`` as well. Each takes ``text``, string [batch], and
    its numbers, [batch] or [1] for all texts alike. It returns the same names as the ``.tflite``: texts as string
    [batch] or [batch, B], all else [batch, ...].

    Raises:
        UserError: something else stands in the folder.
    """
    check_place(folder)
    functions = {signature.name: _of_strings(signature) for signature in program.signatures}
    signatures = {"serving_default": functions[program.signatures[0].name], **functions}
    module = tf.Module()
    variables = {variable.ref(): variable for function in functions.values() for variable in function.variables}
    module.weights = sorted(variables.values(), key=lambda variable: variable.name)
    options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
    folder.mkdir(parents=True, exist_ok=True)
    with scratch_folder(folder) as new:
        tf.saved_model.save(module, str(new), signatures=signatures, options=options)
        _forget_gradients(new)
        _move(new, folder)


def check_place(folder: Path) -> None:
    """Refuses a place where something else stands.

    Raises:
        UserError: it is a file, or a folder with something else in it.
    """
    standing = list(folder.iterdir()) if folder.is_dir() else []
    ours = (folder / _MODEL).exists() or any(map(is_temporary, standing))  # a kill may have left one half-made
    if folder.is_file() or (standing and not ours):
        raise UserError(f"{folder}: something else stands there: choose another folder")


def _of_strings(signature: Signature) -> Any:
    """The signature as a function of strings."""
    size = signature.sizes["N"]
    specs = {"text": tf.TensorSpec([None], tf.string, "text"), **signature.specs_of_numbers([None])}

    def batch(text: tf.Tensor, **numbers: tf.Tensor) -> dict[str, tf.Tensor]:
        rows = tf.shape(text)[0]
        numbers = {name: tf.broadcast_to(value, [rows]) for name, value in numbers.items()}
        one_more = 1 - tf.minimum(rows, 1)  # no texts are read as an empty one, of which nothing is returned
        numbers = {name: tf.pad(value, [[0, one_more]]) for name, value in numbers.items()}
        with tf.name_scope("text"):
            text = tf.concat([text, tf.fill([one_more], "")], axis=0)
            cut = tf.maximum(tf.strings.length(text) - size, 0)
            buffers = strings_to_bytes(text, size)
        outputs = dict(signature.function(buffers, **numbers))
        outputs["left_out"] += cut
        with tf.name_scope("text"):
            texts = {name: _strings(value) for name, value in outputs.items() if value.dtype == tf.uint8}
            texts = {name: value[:rows] for name, value in texts.items()}
        return {name: value[:rows] for name, value in outputs.items() if name not in texts} | texts

    return tf.function(batch, autograph=False).get_concrete_function(**specs)


def _strings(buffers: tf.Tensor) -> tf.Tensor:
    """uint8 [..., n], UTF-8 padded with zeros, to string [...]."""
    size = buffers.shape[-1]
    flat = tf.reshape(buffers, [-1, size])
    lengths = tf.reduce_max(tf.where(flat > 0, tf.range(1, size + 1)[None], 0), axis=1)
    # As wide as the longest text: each byte becomes a string before they are joined.
    strings = bytes_to_strings(flat[:, : tf.reduce_max(lengths)], lengths)
    return tf.reshape(strings, tf.shape(buffers)[:-1])


def _forget_gradients(folder: Path) -> None:
    """Removes the names of own gradients, which are not saved: TensorFlow would warn everybody who loads the model."""
    file = folder / _MODEL
    model = SavedModel.FromString(file.read_bytes())
    for meta_graph in model.meta_graphs:
        for function in meta_graph.graph_def.library.function:
            for node in function.node_def:
                node.attr.pop("_gradient_op_type", None)
    file.write_bytes(model.SerializeToString(deterministic=True))
    write_fingerprint(str(folder))


def _move(new: Path, folder: Path) -> None:
    """Moves a SavedModel to where there may be one."""
    (folder / _MODEL).unlink(missing_ok=True)
    for path in sorted(new.iterdir(), key=lambda path: path.name == _MODEL):
        if (folder / path.name).is_dir():
            remove(folder / path.name)
        path.replace(folder / path.name)
