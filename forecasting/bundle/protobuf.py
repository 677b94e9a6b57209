"""Reader of the protobuf encoding, as far as the check of a graph needs it.

Serving does not install the `onnx` package. The encoding is described at
https://protobuf.dev/programming-guides/encoding/.
"""

from __future__ import annotations

from collections.abc import Iterator

# Wire types, and the sizes of the wire types with a fixed size.
_VARINT, _BYTES = 0, 2
_FIXED_SIZES = {1: 8, 5: 4}
_CONTINUED = 0x80
_MAX_SHIFT = 63

Field = tuple[int, memoryview | int]


def read_fields(message: memoryview) -> Iterator[Field]:
    """Yield field number and value of each field of a message.

    Raises
    ------
    IndexError, ValueError
        When `message` is not a protobuf message.
    """
    position = 0
    value: memoryview | int
    while position < len(message):
        key, position = _read_varint(message, position)
        number, kind = key >> 3, key & 7
        if kind == _VARINT:
            value, position = _read_varint(message, position)
        elif kind == _BYTES or kind in _FIXED_SIZES:
            if kind == _BYTES:
                size, position = _read_varint(message, position)
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


def read_nested(value: memoryview | int) -> memoryview:
    """Return the bytes of a nested message; raise a `ValueError` for a number."""
    if isinstance(value, int):
        msg = "a number instead of a message"
        raise ValueError(msg)  # noqa: TRY004  the bytes are wrong, not the type of the argument
    return value


def read_text(value: memoryview | int) -> str:
    """Return a text; raise a `ValueError` for a number or invalid UTF-8."""
    return bytes(read_nested(value)).decode()


def read_numbers(value: memoryview | int) -> Iterator[int]:
    """Yield the numbers of a repeated field, which may be packed into one value."""
    if isinstance(value, int):
        yield value
        return
    position = 0
    while position < len(value):
        number, position = _read_varint(value, position)
        yield number


def _read_varint(message: memoryview, position: int) -> tuple[int, int]:
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
