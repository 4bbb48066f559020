"""The SavedModel against single texts and the Keras model, and whether it keeps what docs/saved-model.md says of it."""

from __future__ import annotations

import itertools
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.framework.node_def_pb2 import NodeDef
from tensorflow.core.protobuf.meta_graph_pb2 import MetaGraphDef
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel
from tensorflow.python.framework import kernels, op_def_registry

from nlpseq import config as configuration
from nlpseq.data.sources import Record
from nlpseq.errors import UserError
from nlpseq.export import saved_model
from nlpseq.programs.program import Program, Signature
from nlpseq.runtime.questions import Answer, Question
from nlpseq.tasks import task_class
from nlpseq.tasks.base import Trained
from nlpseq.text.tokenizers import EOS

PAIRS = [
    (f"{number} {noun}", f"{translated} {french}")
    for (number, translated), (noun, french) in itertools.product(
        [("one", "un"), ("two", "deux"), ("three", "trois"), ("four", "quatre"), ("five", "cinq"), ("six", "six")],
        [("cat", "chat"), ("dog", "chien"), ("bread", "pain"), ("book", "livre"), ("key", "clé"), ("hotel", "hôtel")],
    )
]
LABELLED = [(f"a {word} {thing}", word) for word in ("good", "bad") for thing in ("film", "book", "meal", "song")]
LINES = [("The old cat sat on the mat.\nÉté, où est la clé?\n",)]

PIECES = [  # other rules cost seconds to trace
    "tokenizer.kind=sentencepiece",
    "tokenizer.vocabulary_size=340",
    "tokenizer.normalization=identity",
]
TASKS: dict[str, tuple[list[tuple[str, ...]], list[str]]] = {
    "translation": (PAIRS, ["data.max_length=12", *PIECES]),
    "sentiment": (LABELLED * 5, ["data.max_length=8", "model.pooling=attention", *PIECES]),
    "char-lm": (LINES, []),
}
MIXED = ["two dogs", "", "a", "six hotel two", "clé où", "one cat", "?", "five book one"]
AWKWARD = [
    b"\xff\xfe",
    b"a\x00b",
    b"\x00",
    b"caf\xc3",
    b"\xed\xa0\x80 a",
    "日本 😀".encode(),
    b"\x80" * 7,
    b"a  \t\n b",
]
NUMBERS: dict[str, list[Any]] = {  # for a batch of 8
    "length": [5, 0, 30, 1, 12, 7, 3, -4],
    "temperature": [1.0, 0.5, 1.0, 0.0, 0.7, 1.0, 2.0, 1.0],
    "seed": [1, 2, 3, 2**31 - 1, 5, 6, 7, 8],
    "top_k": [3, 0, 5, 1, 4, 0, 2, 9],
    "top_p": [0.9, 1.0, 0.3, 0.5, 1.0, 0.8, 0.0, 1.0],
    "context": [3, 0, 0, 5, 2, 100, 1, 6],
}


@dataclass(frozen=True)
class Written:
    """A tiny model, its program, and the program written and loaded again."""

    trained: Trained
    folder: Path
    loaded: Any

    @property
    def program(self) -> Program:
        return self.trained.program()

    @property
    def predictor(self) -> Any:
        """The program in this process."""
        return self.trained.predictor()

    def asked(self, *questions: Question, greedy: bool = False) -> list[Answer]:
        """What the Keras model says, with the libraries' tokenizers."""
        return self.trained.task.ask(self.trained, questions, quick=greedy)

    def signature(self, name: str) -> Signature:
        return next(signature for signature in self.program.signatures if signature.name == name)

    def numbers(self, name: str, rows: slice = slice(None)) -> dict[str, Any]:
        return {
            number: tf.constant(NUMBERS[number][rows], tf.float32 if isinstance(value, float) else tf.int32)
            for number, value in self.signature(name).numbers.items()
        }

    def call(self, name: str, texts: list[str] | list[bytes], **numbers: Any) -> dict[str, np.ndarray]:
        encoded = [text.encode() if isinstance(text, str) else text for text in texts]
        outputs = self.loaded.signatures[name](text=tf.constant(encoded, tf.string), **numbers)
        return {output: value.numpy() for output, value in outputs.items()}

    @property
    def names(self) -> list[str]:
        return [signature.name for signature in self.program.signatures]

    def meta_graph(self) -> MetaGraphDef:
        parsed = SavedModel.FromString((self.folder / "saved_model.pb").read_bytes())
        (meta_graph,) = parsed.meta_graphs
        return meta_graph


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Written]:
    made: dict[str, Written] = {}

    def get(name: str) -> Written:
        if name not in made:
            made[name] = _written(name, tmp_path_factory.mktemp(name) / "saved_model")
        return made[name]

    return get


def _written(name: str, folder: Path) -> Written:
    rows, settings = TASKS[name]
    task_type = task_class(name)
    small = ["model.units=8", "model.embedding=8", *settings]
    task = task_type(configuration.from_toml(task_type.facts.config_type, None, small))
    vocabulary = task.prepare((Record(row, "rows", line) for line, row in enumerate(rows, 1)), None).vocabulary
    keras.utils.set_random_seed(1)
    model = task.network(vocabulary)
    for variable in model.trainable_variables:  # a model that has an opinion
        variable.assign(3 * variable + tf.random.normal(variable.shape, stddev=0.3))
    if name == "translation":  # some translations end, some are cut
        model.output_bias.assign(model.output_bias + 4 * tf.one_hot(EOS, model.target_vocabulary))
    trained = Trained(name, task, model, vocabulary)
    saved_model.write(trained.program(), folder)
    return Written(trained, folder, tf.saved_model.load(str(folder)))


@pytest.fixture(params=list(TASKS))
def each(request: pytest.FixtureRequest, written: Callable[[str], Written]) -> Written:
    return written(request.param)


def assert_equal(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> None:
    assert one.keys() == other.keys()
    for name in one:
        if one[name].dtype.kind == "f":
            np.testing.assert_allclose(one[name], other[name], atol=1e-5, err_msg=name)
        else:
            np.testing.assert_array_equal(one[name], other[name], err_msg=name)


def without_padding(text: str) -> str:
    """A zero at the end of a buffer is no character of it, and a translation has no space around it."""
    return text.rstrip("\x00").strip()


# What it computes


def test_a_text_gives_the_same_in_a_batch_and_alone(each: Written) -> None:
    for name in each.names:
        together = each.call(name, MIXED, **each.numbers(name))
        alone = [each.call(name, [text], **each.numbers(name, slice(i, i + 1))) for i, text in enumerate(MIXED)]
        assert_equal(together, {output: np.concatenate([one[output] for one in alone]) for output in together})


def test_translations_are_those_of_the_keras_model(written: Callable[[str], Written]) -> None:
    translation = written("translation")
    for name, beam in (("translate", 4), ("translate_greedy", 1)):
        outputs = translation.call(name, MIXED)
        expected = [translation.predictor.translate(text, greedy=beam == 1) for text in MIXED]
        answers = translation.asked(*map(Question, MIXED), greedy=beam == 1)
        assert [without_padding(text.decode()) for text in outputs["text"]] == [
            without_padding(each.text) for each in answers
        ]
        np.testing.assert_allclose(outputs["score"], [each.numbers["score"] for each in answers], atol=1e-5)
        assert not outputs["left_out"].any()
        for row, one in enumerate(expected):
            if not MIXED[row]:
                assert outputs["text"][row] == b""
            else:
                alignment = np.array(one.alignment)
                target, source = alignment.shape
                np.testing.assert_allclose(outputs["alignment"][row, :target, :source], alignment, atol=1e-5)
                assert not outputs["alignment"][row, target:].any()
                assert not outputs["alignment"][row, :, source:].any()
        lengths = np.sum(outputs["ids"] > 0, axis=1)
        ended = (outputs["ids"] == EOS).any(axis=1)
        assert ended.any()  # some translations end, and
        assert len(set(lengths[~ended & (lengths > 0)])) > 1  # others are cut, each at its own limit


def test_the_n_best_are_those_of_the_program_in_this_process(written: Callable[[str], Written]) -> None:
    translation = written("translation")
    outputs = translation.call("translate", MIXED)
    assert outputs["n_best_text"].shape == (len(MIXED), 4)
    for row, text in enumerate(MIXED):
        if text:
            expected = translation.predictor.n_best(text, 4)
            assert [without_padding(best.decode()) for best in outputs["n_best_text"][row]][: len(expected)] == [
                without_padding(one.text) for one in expected
            ]
            scores = outputs["n_best_score"][row][: len(expected)]
            np.testing.assert_allclose(scores, [one.score for one in expected], rtol=1e-5)


def test_classes_are_those_of_the_keras_model(written: Callable[[str], Written]) -> None:
    sentiment = written("sentiment")
    texts = [*MIXED[1:], "good<BR />film " * 6]  # the last one is read at its beginning and its end
    outputs = sentiment.call("classify", texts)
    answers = sentiment.asked(*(Question(text, ("good",)) for text in texts))
    probabilities = [list(answer.numbers.values()) for answer in answers]
    np.testing.assert_allclose(outputs["probabilities"], probabilities, atol=1e-5)
    for row, text in enumerate(texts):
        expected = sentiment.predictor.classify(text)
        count = len(expected.relevance)
        np.testing.assert_allclose(outputs["relevance"][row, :count], expected.relevance, atol=1e-4)
        assert not outputs["relevance"][row, count:].any()


def test_generated_text_is_that_of_the_program_in_this_process(written: Callable[[str], Written]) -> None:
    generator = written("char-lm")
    for name in ("generate", "sample"):
        outputs = generator.call(name, MIXED, **generator.numbers(name))
        for row, text in enumerate(MIXED):
            numbers = {number: NUMBERS[number][row] for number in generator.signature(name).numbers}
            alone = generator.predictor.backend.call(name, text.encode(), **numbers)
            assert outputs["text"][row] == alone["text"].tobytes().rstrip(b"\0")


def test_nats_are_those_of_the_keras_model(written: Callable[[str], Written]) -> None:
    generator = written("char-lm")
    windows = [("The", " mat"), ("", "a"), ("où", " est"), ("日", "本 cat"), ("x", "\x00y")]
    texts, contexts = ["".join(window) for window in windows], [len(context) for context, _ in windows]
    outputs = generator.call("score", texts, context=tf.constant(contexts))
    assert outputs["characters"].tolist() == [len(new) for _, new in windows]
    answers = generator.asked(*(Question(new, context=context) for context, new in windows))
    per_character = outputs["nats"] / outputs["characters"]
    np.testing.assert_allclose(per_character, [one.numbers["nats_per_character"] for one in answers], atol=1e-4)


# Texts of any kind


def test_what_is_no_utf8_disturbs_no_other_text(each: Written) -> None:
    for name in each.names:
        numbers = each.numbers(name)
        together = each.call(name, AWKWARD, **numbers)
        for row, text in enumerate(AWKWARD):
            alone = each.call(name, [text], **each.numbers(name, slice(row, row + 1)))
            assert_equal(alone, {output: value[row : row + 1] for output, value in together.items()})
        for value in together.values():
            if value.dtype == object:
                assert all(isinstance(text.decode("utf-8"), str) for text in value.reshape(-1))


def test_bytes_that_are_no_utf8_are_read_as_replacement_characters(written: Callable[[str], Written]) -> None:
    generator = written("char-lm")
    mended = [text.decode("utf-8", "replace") for text in AWKWARD]
    numbers = generator.numbers("generate")
    assert_equal(generator.call("generate", AWKWARD, **numbers), generator.call("generate", mended, **numbers))
    kept = generator.call("generate", [b"a\x00b \xff"], **generator.numbers("generate", slice(1, 2)))  # length 0
    assert kept["text"][0].decode() == "a\x00b \ufffd"


def test_no_texts_give_no_results(each: Written) -> None:
    for name in each.names:
        outputs = each.call(name, [], **each.numbers(name, slice(0, 0)))
        full = each.call(name, MIXED, **each.numbers(name))
        assert {output: value.shape[1:] for output, value in outputs.items()} == {
            output: value.shape[1:] for output, value in full.items()
        }
        assert all(len(value) == 0 for value in outputs.values())


def test_a_text_longer_than_the_buffer_is_cut_and_says_so(each: Written) -> None:
    name = each.names[0]
    size = each.signature(name).sizes["N"]
    fitting = "a" * (size - 1)
    texts = [fitting, fitting + "é", fitting + "é" * 9, fitting + "bcd", "a"]
    numbers = {key: value[:1] for key, value in each.numbers(name).items()}
    outputs = each.call(name, texts, **numbers)
    left_out = outputs["left_out"].tolist()
    # The first byte of é finds a place, but no é is read; of the text before it, pieces may be left out as well.
    assert [count - left_out[0] for count in left_out[:3]] == [0, 2, 18]
    assert left_out[3] > left_out[0]
    assert left_out[4] == 0
    for output, value in outputs.items():
        if output != "left_out":
            np.testing.assert_array_equal(value[1], value[0], err_msg=output)
            np.testing.assert_array_equal(value[2], value[0], err_msg=output)


# Numbers


def test_one_number_may_stand_for_all_texts(written: Callable[[str], Written]) -> None:
    generator = written("char-lm")
    one = {"length": 9, "temperature": 1.0, "seed": 5}
    kinds = {"temperature": tf.float32}
    for texts in (MIXED, []):
        alike = {name: tf.constant([value], kinds.get(name, tf.int32)) for name, value in one.items()}
        each_its_own = {name: tf.repeat(value, len(texts)) for name, value in alike.items()}
        assert_equal(generator.call("generate", texts, **alike), generator.call("generate", texts, **each_its_own))
    with pytest.raises(tf.errors.InvalidArgumentError):
        generator.call("generate", MIXED, **{**alike, "seed": tf.constant([1, 2, 3])})


# Its form


def test_signatures_have_the_form_that_serving_wants(each: Written) -> None:
    meta_graph = each.meta_graph()
    assert list(meta_graph.meta_info_def.tags) == ["serve"]
    definitions = {name: one for name, one in meta_graph.signature_def.items() if not name.startswith("__")}
    assert set(definitions) == {"serving_default", *each.names}
    for name, definition in definitions.items():
        signature = each.signature(each.names[0] if name == "serving_default" else name)
        assert definition.method_name == "tensorflow/serving/predict"
        assert set(definition.inputs) == {"text", *signature.numbers}
        assert definition.inputs["text"].dtype == tf.string.as_datatype_enum
        for tensor in definition.inputs.values():
            assert [dimension.size for dimension in tensor.tensor_shape.dim] == [-1]
        for output, tensor in definition.outputs.items():
            assert tensor.tensor_shape.dim[0].size == -1, output
            # Of this end Serving would make base64, and all strings here are text.
            assert not output.endswith("_bytes")
            assert (tensor.dtype == tf.string.as_datatype_enum) == (output in ("text", "n_best_text"))


def test_it_is_called_as_serving_calls_it(written: Callable[[str], Written]) -> None:
    """A session, the tensors' names out of the signature, and rows of JSON."""
    translation = written("translation")
    expected = translation.call("translate", MIXED)
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        meta_graph = tf.compat.v1.saved_model.load(session, ["serve"], str(translation.folder))
        definition = meta_graph.signature_def["serving_default"]
        outputs = session.run(
            {name: tensor.name for name, tensor in definition.outputs.items()},
            {definition.inputs["text"].name: [text.encode() for text in MIXED]},
        )
    assert_equal(outputs, expected)
    columns = {name: value.tolist() for name, value in outputs.items()}
    rows = [{name: column[row] for name, column in columns.items()} for row in range(len(MIXED))]
    read = json.loads(json.dumps({"predictions": rows}, allow_nan=False, default=lambda text: text.decode("utf-8")))
    assert [row["text"] for row in read["predictions"]] == [text.decode() for text in expected["text"]]


def test_weights_are_variables_in_one_copy_for_all_signatures(each: Written) -> None:
    weights = sum(int(np.prod(variable.shape)) for variable in each.trained.model.trainable_variables)
    stored = [shape for _, shape in tf.train.list_variables(str(each.folder / "variables" / "variables")) if shape]
    assert sum(int(np.prod(shape)) for shape in stored) == weights
    before = {name: each.call(name, MIXED, **each.numbers(name)) for name in each.names}
    kept = [tf.identity(variable) for variable in each.loaded.weights]
    for variable in each.loaded.weights:
        variable.assign(tf.zeros_like(variable))
    try:
        for name in each.names:
            after = each.call(name, MIXED, **each.numbers(name))
            assert any((after[output] != before[name][output]).any() for output in after), name
    finally:
        for variable, value in zip(each.loaded.weights, kept, strict=True):
            variable.assign(value)


def test_it_needs_nothing_but_tensorflow(written: Callable[[str], Written]) -> None:
    models = {name: written(name) for name in TASKS}
    code = """
import json, sys
sys.modules.update(dict.fromkeys(("keras", "nlpseq", "tensorflow_text", "sentencepiece")))  # None: no import finds them
import tensorflow as tf
answers = {}
for task, folder in json.loads(sys.argv[1]).items():
    main = tf.saved_model.load(folder).signatures["serving_default"]
    specs = main.structured_input_signature[1]
    numbers = {name: tf.constant([3], spec.dtype) for name, spec in specs.items() if name != "text"}
    outputs = main(text=tf.constant(["two dogs", "clé"]), **numbers)
    answers[task] = outputs["probabilities" if task == "sentiment" else "text"].numpy().tolist()
print("answers:" + json.dumps(answers, default=bytes.decode))
"""
    folders = json.dumps({name: str(one.folder) for name, one in models.items()})
    done = subprocess.run([sys.executable, "-c", code, folders], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    answers = json.loads(done.stdout.rpartition("answers:")[2])
    numbers = {"length": tf.constant([3]), "temperature": tf.constant([3.0]), "seed": tf.constant([3])}
    for name, one in models.items():
        expected = one.call(one.names[0], ["two dogs", "clé"], **(numbers if name == "char-lm" else {}))
        if name == "sentiment":
            np.testing.assert_allclose(answers[name], expected["probabilities"], atol=1e-6)
        else:
            assert answers[name] == [text.decode() for text in expected["text"]]
    assert "WARNING:absl" not in done.stderr


# Devices


def without_gpu_kernel(meta_graph: MetaGraphDef) -> set[str]:
    """Operators outside of the text part that TensorFlow has no GPU kernel for, as "operator: node"."""
    return {f"{node.op}: {node.name}" for node in _network(meta_graph) if not _has_gpu_kernel(node)}


def _network(meta_graph: MetaGraphDef) -> Iterator[NodeDef]:
    """Every node that a signature reaches, but those in a name scope "text" and in functions that these call."""
    functions = {function.signature.name: function for function in meta_graph.graph_def.library.function}
    waiting = [name for node in meta_graph.graph_def.node for name in _functions(node)]
    waiting = [name for name in waiting if "traced" not in name]  # TensorFlow's own, which save and restore
    seen = set()
    while waiting:
        if (name := waiting.pop()) in seen:
            continue
        seen.add(name)
        for node in functions[name].node_def:
            if not re.search(r"(^|/)text(_\d+)?/", node.name):
                waiting.extend(_functions(node))
                yield node


def _functions(node: NodeDef) -> list[str]:
    attributes = node.attr.values()
    several = [function.name for attribute in attributes for function in attribute.list.func]
    return [attribute.func.name for attribute in attributes if attribute.HasField("func")] + several


def _has_gpu_kernel(node: NodeDef) -> bool:
    defaults = {attribute.name: attribute.default_value for attribute in op_def_registry.get(node.op).attr}

    def fits(kernel: Any) -> bool:
        if kernel.device_type not in ("GPU", "DEFAULT"):
            return False
        for constraint in kernel.constraint:
            value = node.attr[constraint.name] if constraint.name in node.attr else defaults[constraint.name]
            kind, allowed = value.WhichOneof("value"), constraint.allowed_values.list
            given = value.list.type if kind == "list" else [getattr(value, kind)]
            if not set(given) <= set(allowed.s if kind == "s" else allowed.type):
                return False
        return True

    return any(fits(kernel) for kernel in kernels.get_registered_kernels_for_op(node.op).kernel)


# TensorFlow's packages for Linux register the kernels for GPUs also where there is none.
needs_gpu_kernels = pytest.mark.skipif(
    not tf.test.is_built_with_cuda(),
    reason="this TensorFlow was built without GPU kernels: there is nothing to look at",
)


@needs_gpu_kernels
def test_all_but_the_text_part_has_gpu_kernels(each: Written) -> None:
    nodes = list(_network(each.meta_graph()))
    operators = {node.op for node in nodes}
    assert {"MatMul", "Sigmoid", "ReadVariableOp"} <= operators  # the network is among them
    assert not operators & {"DecodePaddedRaw", "StringLength", "ReduceJoin"}
    assert without_gpu_kernel(each.meta_graph()) == set()


@needs_gpu_kernels
def test_an_operator_without_gpu_kernel_is_found(tmp_path: Path) -> None:
    @tf.function(input_signature=[tf.TensorSpec([None, 4], tf.uint8)])
    def function(text: tf.Tensor) -> dict[str, tf.Tensor]:
        short = tf.gather(tf.constant([1, 2, 3], tf.int16), tf.cast(text, tf.int32), name="outside")
        with tf.name_scope("text"):
            hidden = tf.gather(tf.constant([1, 2, 3], tf.int16), tf.cast(text, tf.int32), name="inside")

        def body(count: tf.Tensor) -> tuple[tf.Tensor]:
            return (count + tf.strings.length(tf.strings.as_string(count), name="looped"),)

        (count,) = tf.while_loop(lambda count: count < 9, body, [tf.constant(1)])
        return {"short": short + hidden, "count": count[None]}

    tf.saved_model.save(tf.Module(), str(tmp_path), signatures=function)
    (meta_graph,) = SavedModel.FromString((tmp_path / "saved_model.pb").read_bytes()).meta_graphs
    found = without_gpu_kernel(meta_graph)
    assert {one.rpartition("/")[2].rpartition(" ")[2] for one in found} >= {"outside", "looped"}
    assert not any("inside" in one for one in found)


def test_no_device_is_written_into_the_graph(each: Written) -> None:
    meta_graph = each.meta_graph()
    functions = [one for one in meta_graph.graph_def.library.function if "traced" not in one.signature.name]
    nodes = [node for function in functions for node in function.node_def]
    assert len(nodes) > 500
    assert {node.device for node in nodes} == {""}
    variables = [node for node in meta_graph.graph_def.node if node.op == "VarHandleOp"]
    assert len(variables) == len(each.loaded.weights)
    assert {node.device for node in variables} == {""}


# Writing


def test_it_replaces_what_was_there_and_leaves_the_rest(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "saved_model"
    for offset in (1, 2):
        saved_model.write(_counting(offset), folder)
        (folder / "notes.txt").touch()
        outputs = tf.saved_model.load(str(folder)).signatures["count"](text=tf.constant(["abc", "é", ""]))
        assert outputs["count"].numpy().tolist() == [3 + offset, 2 + offset, offset]
        assert outputs["text"].numpy().tolist() == [b"abc", "é".encode(), b""]
        found = {path.name for path in folder.iterdir()} - {"assets"}
        assert found == {"saved_model.pb", "fingerprint.pb", "variables", "notes.txt"}


def test_something_else_is_not_overwritten(tmp_path: Path) -> None:
    """Once it wrote into any folder, which its docstring denied (fault 15)."""
    (tmp_path / "photo.jpg").touch()
    for place in (tmp_path, tmp_path / "photo.jpg"):
        with pytest.raises(UserError, match="something else stands there"):
            saved_model.write(_counting(1), place)
    assert [path.name for path in tmp_path.iterdir()] == ["photo.jpg"]


def test_one_that_a_kill_left_half_moved_is_completed(tmp_path: Path) -> None:
    (tmp_path / "variables").mkdir()
    (tmp_path / ".0123abcd.new").mkdir()
    saved_model.write(_counting(1), tmp_path)
    assert tf.saved_model.load(str(tmp_path)).signatures["count"](text=tf.constant(["ab"]))["count"].numpy() == [3]


def test_what_was_there_stays_when_writing_fails(tmp_path: Path) -> None:
    saved_model.write(_counting(1), tmp_path)
    with pytest.raises(ZeroDivisionError):
        saved_model.write(_counting(0), tmp_path)
    outputs = tf.saved_model.load(str(tmp_path)).signatures["serving_default"](text=tf.constant(["abc"]))
    assert outputs["count"].numpy().tolist() == [4]


def _counting(offset: int) -> Program:
    """A program that counts bytes and adds a number, which must not be 0."""
    added = tf.Variable(offset)

    def count(text: tf.Tensor) -> dict[str, tf.Tensor]:
        bytes_ = tf.math.count_nonzero(text, axis=1, dtype=tf.int32)
        return {"count": bytes_ + added * (offset // offset), "text": text, "left_out": tf.zeros_like(bytes_)}

    return Program((Signature("count", count, {"N": 8}),))
