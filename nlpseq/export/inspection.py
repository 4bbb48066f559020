"""What is in a ``.tflite`` file, and whether every runtime can run it."""

from __future__ import annotations

from collections import Counter
from typing import Any

from ai_edge_litert import schema_py_generated as schema

_NAMES = {number: name for name, number in vars(schema.BuiltinOperator).items() if not name.startswith("_")}
_CONTROL = ("WHILE", "IF")


class ExportError(Exception):
    """The file that came out is not what nlpseq promises; the message says in what."""


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

    CompiledModel and LiteRT.js write outputs in place: they lose one that is an input passed on, that has two names, or
    that comes out of control flow as it is (measured with LiteRT 2.3 and LiteRT.js 2.5.3).

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
            tensor: _name(model, operator)
            for operator in (graph.Operators(number) for number in range(graph.OperatorsLength()))
            for tensor in (operator.Outputs(number) for number in range(operator.OutputsLength()))
        }
        for output, tensor in outputs.items():
            if tensor in inputs:
                raise ExportError(f"the output '{output}' of '{name}' is an input passed on")
            if list(outputs.values()).count(tensor) > 1:
                raise ExportError(f"the output '{output}' of '{name}' has two names")
            if writers.get(tensor) in _CONTROL:
                raise ExportError(f"the output '{output}' of '{name}' comes straight out of {writers[tensor]}")


def _name(model: Any, operator: Any) -> str:
    code = model.OperatorCodes(operator.OpcodeIndex())
    number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
    return f"custom {code.CustomCode().decode()}" if number == schema.BuiltinOperator.CUSTOM else _NAMES[number]
