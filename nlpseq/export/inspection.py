"""What is in a ``.tflite`` file, and whether every runtime can run it."""

from __future__ import annotations

from collections import Counter
from typing import Any

from ai_edge_litert import schema_py_generated as schema

_NAMES = {number: name for name, number in vars(schema.BuiltinOperator).items() if not name.startswith("_")}
_CONTROL = ("WHILE", "IF")


class ExportError(Exception):
    """The file that came out is not what nlpseq promises; the message says how."""


def operators(content: bytes) -> dict[str, int]:
    """How often each operator stands in the file, by name; an operator that is not built in as ``custom NAME``."""
    model = schema.Model.GetRootAs(content)
    counts: Counter[str] = Counter()
    for index in range(model.SubgraphsLength()):
        graph = model.Subgraphs(index)
        counts.update(_name(model, graph.Operators(number)) for number in range(graph.OperatorsLength()))
    return dict(sorted(counts.items()))


def check(content: bytes) -> None:
    """Refuses a file that not every runtime can run.

    CompiledModel and LiteRT.js write outputs in place, into buffers whose size is known before: they lose one that is
    an input passed on, that has two names, that comes straight out of control flow or of a reshape to a computed shape,
    or that has no fixed shape (measured with LiteRT 2.3 and LiteRT.js 2.5.3).

    Raises:
        ExportError: an operator is not built in, or an output is such.
    """
    if foreign := [name for name in operators(content) if name.startswith("custom ")]:
        raise ExportError(f"these operators are not built into TensorFlow Lite: {', '.join(foreign)}")
    model = schema.Model.GetRootAs(content)
    for index in range(model.SignatureDefsLength()):
        signature = model.SignatureDefs(index)
        graph = model.Subgraphs(signature.SubgraphIndex())
        name = signature.SignatureKey().decode()
        outputs = {
            signature.Outputs(number).Name().decode(): signature.Outputs(number).TensorIndex()
            for number in range(signature.OutputsLength())
        }
        inputs = {graph.Inputs(number) for number in range(graph.InputsLength())}
        writers = {
            tensor: operator
            for operator in (graph.Operators(number) for number in range(graph.OperatorsLength()))
            for tensor in (operator.Outputs(number) for number in range(operator.OutputsLength()))
        }
        for output, tensor in outputs.items():
            if tensor in inputs:
                raise ExportError(f"the output '{output}' of '{name}' is an input passed on")
            if list(outputs.values()).count(tensor) > 1:
                raise ExportError(f"the output '{output}' of '{name}' has two names")
            if -1 in _numbers(graph.Tensors(tensor).ShapeSignatureAsNumpy()):
                raise ExportError(f"the output '{output}' of '{name}' has no fixed shape")
            writer = writers.get(tensor)
            if writer is None:  # a constant
                continue
            kind = _name(model, writer)
            if kind in _CONTROL or (kind == "RESHAPE" and not _is_constant(model, graph, writer.Inputs(1))):
                raise ExportError(f"the output '{output}' of '{name}' comes straight out of {kind}")


def _numbers(array: Any) -> list[int]:
    """A flatbuffer's vector; an absent one comes as the number 0."""
    return array.tolist() if hasattr(array, "tolist") else []


def _is_constant(model: Any, graph: Any, tensor: int) -> bool:
    return model.Buffers(graph.Tensors(tensor).Buffer()).DataLength() > 0


def _name(model: Any, operator: Any) -> str:
    code = model.OperatorCodes(operator.OpcodeIndex())
    number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
    return f"custom {code.CustomCode().decode()}" if number == schema.BuiltinOperator.CUSTOM else _NAMES[number]
