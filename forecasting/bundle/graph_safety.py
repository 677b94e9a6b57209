"""Safety check of a serialised graph, before ONNX Runtime parses it."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod

from forecasting.bundle.graph_operators import Node, find_forbidden
from forecasting.bundle.manifest import bundle_error
from forecasting.bundle.protobuf import Field, read_fields, read_nested, read_numbers, read_text

# Field numbers in onnx.proto: of ModelProto without functions and training, then of its parts.
_MODEL_FIELDS = frozenset({1, 2, 3, 4, 5, 6, 7, 8, 14})
_MODEL_GRAPH = 7
_GRAPH_NODE, _GRAPH_TENSOR, _GRAPH_OUTPUT, _GRAPH_SPARSE_TENSOR = 1, 5, 12, 15
_NODE_INPUT, _NODE_OUTPUT, _NODE_OP_TYPE, _NODE_DOMAIN = 1, 2, 4, 7
_TENSOR_SIZE, _TENSOR_NAME = 1, 8
_VALUE_NAME = 1
_MAX_INT64 = 2**63 - 1


@dataclass
class _Graph:
    """Parts of a graph: operators, constant tensors, outputs, and faults of single parts."""

    nodes: list[Node] = field(default_factory=list)
    tensors: set[str] = field(default_factory=set)
    outputs: set[str] = field(default_factory=set)
    faults: set[str] = field(default_factory=set)


def check_self_contained(content: bytes) -> None:
    """Check that a graph uses no other files, only standard operators and bounded tensors.

    A tensor in another file needs the key ``location``. No fused graph contains this text, so its
    presence anywhere is an error.

    Raises
    ------
    BundleError
        When the graph uses other files, functions or operators that are not in
        `forecasting.bundle.graph_operators`, or when a constant tensor has a negative size, is
        larger than its stored values, or is not used.
    """
    if b"location" in content:
        raise bundle_error(check="the graph's safety", problem="it has tensors in other files.")
    try:
        graph = _read_model(memoryview(content))
    except (IndexError, ValueError) as error:
        problem = f"it is not an ONNX model ({error})."
        raise bundle_error(check="the graph's safety", problem=problem) from None
    faults = graph.faults | find_forbidden(graph.nodes, graph.tensors)
    used = graph.outputs.union(*(node.inputs for node in graph.nodes))
    if not graph.tensors <= used:
        faults.add("tensors that no operator reads")
    if not graph.nodes:
        faults.add("no operator")
    if faults:
        problem = f"it uses {', '.join(sorted(faults))}."
        raise bundle_error(check="the graph's safety", problem=problem)


def _read_model(content: memoryview) -> _Graph:
    graph = _Graph()
    for number, value in read_fields(content):
        if number not in _MODEL_FIELDS:
            graph.faults.add("functions or training")
        if number == _MODEL_GRAPH:
            _read_graph(graph, read_nested(value))
    return graph


def _read_graph(graph: _Graph, message: memoryview) -> None:
    for number, value in read_fields(message):
        if number == _GRAPH_NODE:
            graph.nodes.append(_read_node(list(read_fields(read_nested(value)))))
        elif number == _GRAPH_TENSOR:
            name, fault = _read_tensor(list(read_fields(read_nested(value))))
            graph.tensors.add(name)
            graph.faults |= {fault} - {""}
        elif number == _GRAPH_SPARSE_TENSOR:
            graph.faults.add("sparse tensors")
        elif number == _GRAPH_OUTPUT:
            graph.outputs.update(_texts(list(read_fields(read_nested(value))), _VALUE_NAME))


def _read_node(fields: list[Field]) -> Node:
    return Node(
        op_type=["", *_texts(fields, _NODE_OP_TYPE)][-1],  # protobuf takes the last value
        domain=["", *_texts(fields, _NODE_DOMAIN)][-1],
        inputs=_texts(fields, _NODE_INPUT),
        outputs=_texts(fields, _NODE_OUTPUT),
    )


def _read_tensor(fields: list[Field]) -> tuple[str, str]:
    """Return the name of a constant tensor, and its fault or an empty text."""
    name = ["", *_texts(fields, _TENSOR_NAME)][-1]
    sizes = [size for n, value in fields if n == _TENSOR_SIZE for size in read_numbers(value)]
    # Every element takes at least one byte.
    stored = sum(1 if isinstance(value, int) else len(value) for _, value in fields)
    if any(size > _MAX_INT64 for size in sizes):
        return name, "tensors of a negative size"
    if prod(sizes) > stored:
        return name, "tensors without their values"
    return name, ""


def _texts(fields: list[Field], number: int) -> list[str]:
    return [read_text(value) for n, value in fields if n == number]
