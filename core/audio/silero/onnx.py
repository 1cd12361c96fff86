"""The weights in an ONNX file, read without a runtime: a protobuf of nodes and of arrays that they name.

Source: onnx.proto of github.com/onnx/onnx (fields of ModelProto, GraphProto, NodeProto, TensorProto).
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_GRAPH, _NODE, _ARRAY = 7, 1, 5
_INPUT, _KIND = 1, 4
_DIMENSION, _TYPE, _NAME, _DATA = 1, 2, 8, 9
_FLOAT = 1


class Node(NamedTuple):
    """What a layer is, and its float32 weights in the order in which it takes them."""

    kind: str
    weights: list[NDArray[np.float32]]


def read_nodes(path: Path) -> list[Node]:
    """All layers, in the file's order. ValueError: it is something else, or ends too early."""
    graph = [value for field, value in _fields(path.read_bytes()) if field == _GRAPH]
    if len(graph) != 1 or not isinstance(graph[0], bytes):
        raise ValueError("there is no graph in it")
    parts = [(field, value) for field, value in _fields(graph[0]) if isinstance(value, bytes)]
    arrays = dict(array for field, value in parts if field == _ARRAY and (array := _array(value)))
    return [_node(value, arrays) for field, value in parts if field == _NODE]


def _node(message: bytes, arrays: dict[str, NDArray[np.float32]]) -> Node:
    fields = [
        (field, value.decode())
        for field, value in _fields(message)
        if field in {_INPUT, _KIND} and isinstance(value, bytes)
    ]
    kind = next((value for field, value in fields if field == _KIND), "")
    return Node(kind, [arrays[value] for field, value in fields if field == _INPUT and value in arrays])


def _array(message: bytes) -> tuple[str, NDArray[np.float32]] | None:
    """None: of another type."""
    fields = list(_fields(message))
    if (_TYPE, _FLOAT) not in fields:
        return None
    by_field = dict(fields)
    name, data = by_field.get(_NAME), by_field.get(_DATA)
    if not isinstance(name, bytes) or not isinstance(data, bytes):
        return None
    return name.decode(), np.frombuffer(data, "<f4").reshape(_shape(fields))


def _shape(fields: list[tuple[int, int | bytes]]) -> list[int]:
    """Dimensions come one by one, or packed into one field."""
    shape: list[int] = []
    for field, value in fields:
        if field == _DIMENSION:
            shape += [value] if isinstance(value, int) else _packed(value)
    return shape


def _packed(data: bytes) -> list[int]:
    numbers, at = [], 0
    while at < len(data):
        number, at = _varint(data, at)
        numbers.append(number)
    return numbers


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Numbers and contents of a message's fields."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        kind = tag & 7
        if kind == _VARINT:
            value, at = _varint(data, at)
            yield tag >> 3, value
            continue
        if kind == _BYTES:
            size, at = _varint(data, at)
        elif kind in {_FIXED64, _FIXED32}:
            size = 8 if kind == _FIXED64 else 4
        else:
            raise ValueError(f"field of kind {kind}")
        if at + size > len(data):
            raise ValueError("it ends too early")
        yield tag >> 3, data[at : at + size]
        at += size


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(data):
            raise ValueError("it ends too early")
        value |= (data[at] & 127) << shift
        at, shift = at + 1, shift + 7
        if data[at - 1] < 128:
            return value, at
