"""Safety check of a serialised graph, before ONNX Runtime parses it.

Serving does not install the `onnx` package, so the module reads the necessary parts of the protobuf
encoding itself (https://protobuf.dev/programming-guides/encoding/).
"""

from __future__ import annotations

from collections.abc import Iterator

from forecasting.bundle.manifest import bundle_error

DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml"})
# Operators that contain graphs, whose nodes the check does not read.
CONTROL_FLOW = frozenset({"If", "Loop", "Scan", "SequenceMap"})

# Field numbers in onnx.proto: of ModelProto without functions and training, then of the graph.
_MODEL_FIELDS = frozenset({1, 2, 3, 4, 5, 6, 7, 8, 14})
_MODEL_GRAPH = 7
_GRAPH_NODE = 1
_NODE_OP_TYPE, _NODE_DOMAIN = 4, 7

# Wire types, and the sizes of the wire types with a fixed size.
_VARINT, _BYTES = 0, 2
_FIXED_SIZES = {1: 8, 5: 4}
_CONTINUED = 0x80
_MAX_SHIFT = 63


def check_self_contained(content: bytes) -> None:
    """Check that a graph uses no other files and only standard operators.

    A tensor in another file needs the key ``location``. No fused graph contains this text, so its
    presence anywhere is an error.

    Raises
    ------
    BundleError
        When the graph uses other files, functions, control flow or operators of other domains.
    """
    if b"location" in content:
        raise bundle_error(check="the graph's safety", problem="it has tensors in other files.")
    forbidden: set[str] = set()
    nodes = 0
    try:
        for number, value in _fields(memoryview(content)):
            if number not in _MODEL_FIELDS:
                forbidden.add("functions or training")
            if number == _MODEL_GRAPH:
                for node in (v for n, v in _fields(_nested(value)) if n == _GRAPH_NODE):
                    forbidden |= _forbidden_in(_nested(node))
                    nodes += 1
    except (IndexError, ValueError) as error:
        problem = f"it is not an ONNX model ({error})."
        raise bundle_error(check="the graph's safety", problem=problem) from None
    if forbidden or not nodes:
        used = ", ".join(sorted(forbidden)) or "no operator"
        raise bundle_error(check="the graph's safety", problem=f"it uses {used}.")


def _forbidden_in(node: memoryview) -> set[str]:
    """Return the forbidden operators and domains of a node."""
    texts = {_NODE_OP_TYPE: {""}, _NODE_DOMAIN: {""}}
    for number, value in _fields(node):
        if number in texts:
            texts[number].add(bytes(_nested(value)).decode())
    foreign = texts[_NODE_DOMAIN] - DOMAINS
    return texts[_NODE_OP_TYPE] & CONTROL_FLOW | {f"operators of {domain}" for domain in foreign}


def _nested(value: memoryview | int) -> memoryview:
    if isinstance(value, int):
        msg = "a number instead of a message"
        raise ValueError(msg)  # noqa: TRY004  the bytes are wrong, not the type of the argument
    return value


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview | int]]:
    """Yield field number and value of each field of a protobuf message."""
    position = 0
    value: memoryview | int
    while position < len(message):
        key, position = _varint(message, position)
        number, kind = key >> 3, key & 7
        if kind == _VARINT:
            value, position = _varint(message, position)
        elif kind == _BYTES or kind in _FIXED_SIZES:
            if kind == _BYTES:
                size, position = _varint(message, position)
            else:
                size = _FIXED_SIZES[kind]
            value = message[position : position + size]
            position += size
        else:
            msg = f"wire type {kind}"
            raise ValueError(msg)
        if position > len(message):
            msg = "the last field is incomplete"
            raise ValueError(msg)
        yield number, value


def _varint(message: memoryview, position: int) -> tuple[int, int]:
    """Return the number at `position` and the position after it."""
    value = 0
    for shift in range(0, _MAX_SHIFT + 1, 7):
        byte = message[position]
        value |= (byte % _CONTINUED) << shift
        position += 1
        if byte < _CONTINUED:
            return value, position
    msg = "a number has too many bytes"
    raise ValueError(msg)
