"""A tiny ONNX model, written without the package onnx: the sum of a pair's token ids, times some weights."""

import struct
from collections.abc import Sequence

FLOAT, INT32, INT64 = 1, 6, 7


def tiny_onnx(
    weights: Sequence[float] = (1.0,),
    inputs: Sequence[str] = ("input_ids", "attention_mask"),
    data: str | None = None,
    integers: int = INT64,
) -> bytes:
    """Return a model with one logit per weight; `data` is the file that has the weights instead, as `raw_weights` writes it."""
    nodes = [
        *(_node("Cast", [name], f"float_{name}", _integer("to", FLOAT)) for name in inputs),
        _node("Mul", [f"float_{inputs[0]}", f"float_{inputs[-1]}"], "masked"),
        _node("ReduceSum", ["masked"], "sum", _field(1, "axes") + _field(8, 1) + _field(20, 7)),
        _node("MatMul", ["sum", "weights"], "logits"),
    ]
    place = _field(9, raw_weights(weights))
    if data is not None:
        place = _field(13, _field(1, "location") + _field(2, data)) + _field(14, 1)
    initializer = _field(1, 1) + _field(1, len(weights)) + _field(2, FLOAT) + _field(8, "weights") + place
    graph = b"".join(_field(1, node) for node in nodes) + _field(2, "tiny") + _field(5, initializer)
    graph += b"".join(_field(11, _value(name, integers, [None, None])) for name in inputs)
    graph += _field(12, _value("logits", FLOAT, [None, len(weights)]))
    return _field(1, 8) + _field(7, graph) + _field(8, _field(2, 11))


def raw_weights(weights: Sequence[float]) -> bytes:
    return struct.pack(f"<{len(weights)}f", *weights)


def _node(operator: str, inputs: Sequence[str], output: str, attribute: bytes = b"") -> bytes:
    names = b"".join(_field(1, name) for name in inputs) + _field(2, output)
    return names + _field(4, operator) + (_field(5, attribute) if attribute else b"")


def _integer(name: str, value: int) -> bytes:
    return _field(1, name) + _field(3, value) + _field(20, 2)


def _value(name: str, kind: int, shape: Sequence[int | None]) -> bytes:
    sizes = (_field(2, "any") if size is None else _field(1, size) for size in shape)
    dimensions = b"".join(_field(1, size) for size in sizes)
    return _field(1, name) + _field(2, _field(1, _field(1, kind) + _field(2, dimensions)))


def _field(number: int, value: int | str | bytes) -> bytes:
    """Return a field of a message in protobuf's encoding."""
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    content = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    low = value & 0x7F
    return bytes([low]) if value < 0x80 else bytes([low | 0x80]) + _varint(value >> 7)
