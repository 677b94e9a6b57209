"""Whether a serialised graph keeps to itself: decided from its bytes, before any runtime parses it.

Reads just enough of the protobuf encoding (https://protobuf.dev/programming-guides/encoding/) for
that, because serving has no `onnx` package. Whether the graph computes the right thing is checked
elsewhere (`forecasting.bundle.graph`, `forecasting.bundle.golden`).
"""

from __future__ import annotations

from collections.abc import Iterator

from forecasting.bundle.manifest import damaged

DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml"})
# Operators with graphs inside, whose nodes this module would not see.
CONTROL_FLOW = frozenset({"If", "Loop", "Scan", "SequenceMap"})

# Field numbers in onnx.proto: ModelProto's (all but functions and training), then the graph's.
_MODEL_FIELDS = frozenset({1, 2, 3, 4, 5, 6, 7, 8, 14})
_MODEL_GRAPH = 7
_GRAPH_NODE = 1
_NODE_OP_TYPE, _NODE_DOMAIN = 4, 7

# Wire types, and the sizes of those that have a fixed one.
_VARINT, _BYTES = 0, 2
_FIXED_SIZES = {1: 8, 5: 4}
_CONTINUED = 0x80
_MAX_SHIFT = 63


def check_self_contained(content: bytes) -> None:
    """Refuse a graph that could reach beyond its own bytes or ONNX's own operators.

    A tensor kept in another file must spell the key ``location``, which nothing in a fused graph
    contains, so finding it anywhere is enough.

    Raises
    ------
    BundleError
        Naming what the graph asks for.
    """
    if b"location" in content:
        raise damaged(check="the graph's safety", found="it keeps tensors in other files.")
    asked: set[str] = set()
    nodes = 0
    try:
        for number, value in _fields(memoryview(content)):
            if number not in _MODEL_FIELDS:
                asked.add("functions or training")
            if number == _MODEL_GRAPH:
                for node in (v for n, v in _fields(_nested(value)) if n == _GRAPH_NODE):
                    asked |= _asked_by(_nested(node))
                    nodes += 1
    except (IndexError, ValueError) as error:
        raise damaged(check="the graph's safety", found=f"it is no ONNX model ({error}).") from None
    if asked or not nodes:
        found = ", ".join(sorted(asked)) or "no operator at all"
        raise damaged(check="the graph's safety", found=f"it asks for {found}.")


def _asked_by(node: memoryview) -> set[str]:
    """Return what a node asks for that is not allowed."""
    texts = {_NODE_OP_TYPE: {""}, _NODE_DOMAIN: {""}}
    for number, value in _fields(node):
        if number in texts:
            texts[number].add(bytes(_nested(value)).decode())
    foreign = texts[_NODE_DOMAIN] - DOMAINS
    return texts[_NODE_OP_TYPE] & CONTROL_FLOW | {f"operators of {domain}" for domain in foreign}


def _nested(value: memoryview | int) -> memoryview:
    if isinstance(value, int):
        msg = "a number where a message should be"
        raise ValueError(msg)  # noqa: TRY004  the bytes are wrong, not the caller's type
    return value


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview | int]]:
    """Yield (field number, value) of a protobuf message, without looking inside its values."""
    at = 0
    value: memoryview | int
    while at < len(message):
        key, at = _varint(message, at)
        number, kind = key >> 3, key & 7
        if kind == _VARINT:
            value, at = _varint(message, at)
        elif kind == _BYTES or kind in _FIXED_SIZES:
            size, at = _varint(message, at) if kind == _BYTES else (_FIXED_SIZES[kind], at)
            value = message[at : at + size]
            at += size
        else:
            msg = f"wire type {kind}"
            raise ValueError(msg)
        if at > len(message):
            msg = "it ends in the middle of a field"
            raise ValueError(msg)
        yield number, value


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, _MAX_SHIFT + 1, 7):
        byte = message[at]
        value |= (byte % _CONTINUED) << shift
        at += 1
        if byte < _CONTINUED:
            return value, at
    msg = "a number has too many bytes"
    raise ValueError(msg)
