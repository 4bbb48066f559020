"""Makes a ``.tflite`` file about as small as its weights, and its loops cheap.

The converter writes much that a file does not need. A table of vectors that is an output layer too stands there twice,
with other scales. A table is brought to 32 bits before rows are taken from it. A constant that a loop reads is handed
on from round to round, which copies it. Each signature has loops of its own, though they are equal. Each tensor has
scales of its own.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterator
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from nlpseq.runtime.flatbuffer import IDENTIFIER

_Kind = schema.BuiltinOperator
_ALIGNMENT = 16  # bytes, of the content of a buffer: TensorFlow Lite asks for it
_CALLED = ("condSubgraphIndex", "bodySubgraphIndex", "thenSubgraphIndex", "elseSubgraphIndex", "initSubgraphIndex")
_NUMBERED = ("inputs", "outputs", "intermediates")  # what has numbers of tensors
_NOT_STATED = -1  # the size of an axis in a shape
_LEFT_OUT = -1  # an input that an operator does without


def compacted(content: bytes) -> bytes:
    """The same program in fewer bytes.

    Args:
        content: a ``.tflite`` file as the converter made it.
    """
    model = schema.ModelT.InitFromPackedBuf(content)
    _share_buffers(model)
    for number in _callers_first(model):
        _bring_constants_into_loops(model, model.subgraphs[number])
    _look_up_rows(model)
    _share_buffers(model)
    for number, graph in enumerate(model.subgraphs):
        _widen_once(model, graph)
        _leave_out_unused(model, number)
    _share_graphs(model)
    _keep_used(model)
    return _packed(model, IDENTIFIER)


def _share_buffers(model: Any) -> None:
    """Equal contents become one buffer. Tensors without content have the first, which is always empty."""
    known: dict[bytes | None, int] = {None: 0}
    numbers = [
        known.setdefault(None if buffer.data is None else bytes(buffer.data), number)
        for number, buffer in enumerate(model.buffers)
    ]
    for tensor in _tensors(model):
        tensor.buffer = numbers[tensor.buffer]


# Loops


def _bring_constants_into_loops(model: Any, graph: Any) -> None:
    """What a loop of the graph only hands on, and is constant, stands in the loop itself."""
    for loop in _operators(model, graph, _Kind.WHILE):
        inner = [model.subgraphs[getattr(loop.builtinOptions, name)] for name in _CALLED[:2]]
        body = inner[1]
        for place in reversed(range(len(loop.inputs))):
            given = loop.inputs[place]
            source = _widening(model, graph, given)
            if body.outputs[place] != body.inputs[place] or not (source or graph.tensors[given].buffer):
                continue
            for called in inner:
                tensor = _added(called, graph.tensors[given])
                if source is not None:
                    written = copy.copy(source)
                    written.inputs = _ints(_added(called, graph.tensors[source.inputs[0]]))
                    written.outputs = _ints(tensor)
                    called.operators.insert(0, written)
                _replace(called, called.inputs[place], tensor)
                called.inputs = np.delete(called.inputs, place)
            body.outputs = np.delete(body.outputs, place)
            _replace(graph, loop.outputs[place], given)
            loop.inputs, loop.outputs = np.delete(loop.inputs, place), np.delete(loop.outputs, place)


def _replace(graph: Any, tensor: int, by: int) -> None:
    """Lets everybody in a graph who reads a tensor read another one."""
    for operator in graph.operators:
        if operator.inputs is not None:
            operator.inputs = np.where(operator.inputs == tensor, by, operator.inputs)
    graph.outputs = np.where(graph.outputs == tensor, by, graph.outputs)


# Tables of vectors


def _look_up_rows(model: Any) -> None:
    """Rows of a table become 32 bits after they are taken. An output layer that holds the same is the table."""
    layers = [tensor for tensor in _tensors(model) if _is_layer(tensor)]
    for graph in model.subgraphs:
        for gather in _operators(model, graph, _Kind.GATHER):
            source = _widening(model, graph, gather.inputs[0])
            if source is None or gather.builtinOptions.axis or gather.builtinOptions.batchDims:
                continue
            table, found = graph.tensors[source.inputs[0]], graph.tensors[gather.outputs[0]]
            shape = list(found.shape if found.shapeSignature is None else found.shapeSignature)
            if table.type != schema.TensorType.INT8 or len(table.shape) != 2 or shape.count(_NOT_STATED) > 1:
                continue
            table = next((layer for layer in layers if _hold_the_same(model, table, layer)), table)
            place = graph.operators.index(gather)
            graph.operators[place : place + 1] = _lookup(model, graph, gather, table, shape)


def _hold_the_same(model: Any, table: Any, layer: Any) -> bool:
    """Whether a table, with one scale, and a layer, with one for each row, are the same numbers before rounding."""
    if list(table.shape) != list(layer.shape):
        return False
    scales = table.quantization.scale, layer.quantization.scale[:, None]
    contents = [model.buffers[tensor.buffer].data.view(np.int8).reshape(table.shape) for tensor in (table, layer)]
    one, other = (content * scale for content, scale in zip(contents, scales, strict=True))
    return bool((np.abs(one - other) <= 0.501 * (scales[0] + scales[1])).all())


def _lookup(model: Any, graph: Any, gather: Any, table: Any, shape: list[int]) -> list[Any]:
    """The operators that look up rows of a table, in place of a gather whose output has this shape."""
    width = int(table.shape[1])
    indices = _of_any_length(graph, schema.TensorType.INT32)
    rows = _of_any_length(graph, schema.TensorType.FLOAT32, width)
    lookup = schema.OperatorT(
        opcodeIndex=_code(model, _Kind.EMBEDDING_LOOKUP, 4 if _is_layer(table) else 1),
        inputs=_ints(indices, _added(graph, table)),
        outputs=_ints(rows),
    )
    return [
        _reshape(model, graph, gather.inputs[1], indices, [_NOT_STATED]),
        lookup,
        _reshape(model, graph, rows, gather.outputs[0], shape),
    ]


def _of_any_length(graph: Any, kind: int, *width: int) -> int:
    """The number of a new tensor [n] or [n, width]."""
    any_length = _ints(_NOT_STATED, *width)
    return _added(graph, schema.TensorT(_ints(1, *width), kind, name="lookup", shapeSignature=any_length, hasRank=True))


def _reshape(model: Any, graph: Any, tensor: int, to: int, shape: list[int]) -> Any:
    model.buffers.append(schema.BufferT(_ints(*shape).view(np.uint8)))
    kind = schema.TensorType.INT32
    stated = _added(graph, schema.TensorT(_ints(len(shape)), kind, len(model.buffers) - 1, "shape", hasRank=True))
    code = _code(model, _Kind.RESHAPE, 1)
    return schema.OperatorT(code, _ints(tensor, stated), _ints(to))


def _code(model: Any, operator: int, version: int) -> int:
    """The number of an operator among the model's."""
    for number, code in enumerate(model.operatorCodes):
        if code.builtinCode == operator and code.version == version:
            return number
    model.operatorCodes.append(schema.OperatorCodeT(operator, version=version, builtinCode=operator))
    return len(model.operatorCodes) - 1


# What nobody reads, and what is there twice


def _widen_once(model: Any, graph: Any) -> None:
    """A constant that is brought to 32 bits several times in a graph is read from the first of them."""
    first: dict[int, int] = {}
    for operator in _operators(model, graph, _Kind.DEQUANTIZE):
        buffer = graph.tensors[operator.inputs[0]].buffer
        if buffer and first.setdefault(buffer, operator.outputs[0]) != operator.outputs[0]:
            _replace(graph, operator.outputs[0], first[buffer])


def _leave_out_unused(model: Any, number: int) -> None:
    """Leaves out what nobody reads. Tensors come in the order of their use: equal graphs then have equal numbers."""
    graph = model.subgraphs[number]
    read = {*graph.outputs, *(tensor for operator in graph.operators for tensor in _given(operator))}
    graph.operators = [
        operator
        for operator in graph.operators
        if _kind(model, operator) != _Kind.DEQUANTIZE or operator.outputs[0] in read
    ]
    used = [
        *graph.inputs,
        *(tensor for operator in graph.operators for tensor in (*_given(operator), *operator.outputs)),
    ]
    order = {int(tensor): place for place, tensor in enumerate(dict.fromkeys([*used, *graph.outputs]))}
    graph.tensors = [graph.tensors[tensor] for tensor in order]
    for holder in [graph, *graph.operators]:
        for name in _NUMBERED:
            numbers = getattr(holder, name, None)
            if numbers is not None:
                setattr(holder, name, _ints(*(order.get(int(tensor), _LEFT_OUT) for tensor in numbers)))
    for signature in model.signatureDefs or []:
        if signature.subgraphIndex == number:
            for named in [*signature.inputs, *signature.outputs]:
                named.tensorIndex = order[named.tensorIndex]


def _share_graphs(model: Any) -> None:
    """Signatures share equal loops and branches. In one signature each keeps its own, which has a state."""
    known: dict[tuple[bytes, int], int] = {}
    seen: Counter[bytes] = Counter()  # in this signature

    def share_calls(graph: Any) -> None:
        for options, name in _calls(graph):
            setattr(options, name, shared(getattr(options, name)))

    def shared(number: int) -> int:
        graph = model.subgraphs[number]
        share_calls(graph)
        content = _content(graph)
        seen[content] += 1
        return known.setdefault((content, seen[content]), number)

    for main in _mains(model):
        seen.clear()
        share_calls(model.subgraphs[main])


def _content(graph: Any) -> bytes:
    """A graph as bytes, equal for equal graphs, whatever their names are."""
    nameless = copy.copy(graph)
    nameless.name, nameless.tensors = None, [copy.copy(tensor) for tensor in graph.tensors]
    for tensor in nameless.tensors:
        tensor.name = None
    return _packed(nameless, None)


def _keep_used(model: Any) -> None:
    """Leaves out graphs that nobody calls, and buffers that nobody has."""
    graphs = sorted(_callers_first(model))
    model.subgraphs = [model.subgraphs[number] for number in graphs]
    places = {number: place for place, number in enumerate(graphs)}
    for graph in model.subgraphs:
        for options, name in _calls(graph):
            setattr(options, name, places[getattr(options, name)])
    for signature in model.signatureDefs or []:
        signature.subgraphIndex = places[signature.subgraphIndex]
    holders = [*_tensors(model), *(model.metadata or [])]
    buffers = sorted({0, *(holder.buffer for holder in holders)})
    model.buffers = [model.buffers[number] for number in buffers]
    places = {number: place for place, number in enumerate(buffers)}
    for holder in holders:
        holder.buffer = places[holder.buffer]


# The parts of a model


def _mains(model: Any) -> list[int]:
    """The numbers of the graphs that are called from outside."""
    return sorted({0, *(signature.subgraphIndex for signature in model.signatureDefs or [])})


def _calls(graph: Any) -> Iterator[tuple[Any, str]]:
    """The options of a graph's operators that have the numbers of other graphs, with their names."""
    for operator in graph.operators:
        for name in _CALLED:
            if hasattr(operator.builtinOptions, name):
                yield operator.builtinOptions, name


def _callers_first(model: Any) -> list[int]:
    """The numbers of the graphs that are used, each after the first one that calls it."""
    found = _mains(model)
    for number in found:  # which grows
        called = [getattr(options, name) for options, name in _calls(model.subgraphs[number])]
        found += [other for other in dict.fromkeys(called) if other not in found]
    return found


def _tensors(model: Any) -> Iterator[Any]:
    return (tensor for graph in model.subgraphs for tensor in graph.tensors)


def _kind(model: Any, operator: Any) -> int:
    code = model.operatorCodes[operator.opcodeIndex]
    return max(code.builtinCode, code.deprecatedBuiltinCode)


def _operators(model: Any, graph: Any, kind: int) -> list[Any]:
    return [operator for operator in graph.operators if _kind(model, operator) == kind]


def _given(operator: Any) -> list[int]:
    """The tensors that an operator reads."""
    return [] if operator.inputs is None else [int(tensor) for tensor in operator.inputs if tensor != _LEFT_OUT]


def _widening(model: Any, graph: Any, tensor: int) -> Any:
    """The operator that brings a constant to 32 bits, of which this tensor comes; else None."""
    for operator in _operators(model, graph, _Kind.DEQUANTIZE):
        if operator.outputs[0] == tensor and graph.tensors[operator.inputs[0]].buffer:
            return operator
    return None


def _is_layer(tensor: Any) -> bool:
    """Whether it is a constant with a scale for each row, as an output layer is."""
    scales = None if tensor.quantization is None else tensor.quantization.scale
    return bool(
        tensor.buffer and scales is not None and len(scales) > 1 and tensor.quantization.quantizedDimension == 0
    )


def _added(graph: Any, tensor: Any) -> int:
    """The number of a copy of a tensor in a graph."""
    graph.tensors.append(copy.copy(tensor))
    return len(graph.tensors) - 1


def _ints(*numbers: int) -> NDArray[np.int32]:
    return np.array(numbers, np.int32)


class _Builder(flatbuffers.Builder):
    """Writes equal texts and equal vectors of numbers once. Bytes are aligned as the content of a buffer must be."""

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self._known: dict[Any, int] = {}

    def CreateString(self, s: Any, encoding: str = "utf-8", errors: str = "strict") -> int:  # noqa: N802
        if s not in self._known:
            self._known[s] = super().CreateString(s, encoding, errors)
        return self._known[s]

    def CreateNumpyVector(self, x: NDArray[Any]) -> int:  # noqa: N802
        content = x.tobytes()
        key = x.dtype.str, content
        if key not in self._known:
            self.StartVector(x.itemsize, x.size, _ALIGNMENT if x.dtype == np.uint8 else x.itemsize)
            self.head -= len(content)
            self.Bytes[self.head : self.head + len(content)] = content
            self._known[key] = self.EndVector()
        return self._known[key]


def _packed(table: Any, identifier: bytes | None) -> bytes:
    """A table, with all that it refers to, as a flatbuffer."""
    builder = _Builder(1 << 20)
    builder.Finish(table.Pack(builder), identifier)
    return bytes(builder.Output())
