"""Is a file a TFLite file throughout? tflite-runtime 2.14 does not ask, and crashes on half of one.

This walks the flatbuffer as its format says (https://flatbuffers.dev/internals): every table,
vector and string must lie inside the file, and every index must have something to point at.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

IDENTIFIER = b"TFL3"  # at byte 4 of every file

# Fields of the schema's tables, by number: the bytes of a vector's items, a table, or a list with
# the table that a vector holds. Scalars and unused fields are left out.
_VECTOR_OPTIONS = (17, 30)  # ReshapeOptions and SqueezeOptions in the union; others hold scalars
_OPTIONS = {0: 4}
_METADATA = {0: 1}
_BUFFER = {0: 1}
_OPERATOR_CODE = {1: 1}
_OPERATOR: dict[int, Any] = {1: 4, 2: 4, 4: {}, 5: 1, 7: 1, 8: 4}
_QUANTISATION: dict[int, Any] = {0: 4, 1: 4, 2: 4, 3: 8, 5: {}}
_TENSOR: dict[int, Any] = {0: 4, 3: 1, 4: _QUANTISATION, 6: {}, 7: 4}
_SUBGRAPH: dict[int, Any] = {0: [_TENSOR], 1: 4, 2: 4, 3: [_OPERATOR], 4: 1}
_MODEL: dict[int, Any] = {
    1: [_OPERATOR_CODE],
    2: [_SUBGRAPH],
    3: 1,
    4: [_BUFFER],
    5: 4,
    6: [_METADATA],
    7: [{}],
}


class DamagedFileError(ValueError):
    """Not a TFLite file, or not all of one; the text says where it ends to make sense."""


def check_file(data: bytes) -> None:
    """Raise `DamagedFileError` unless `data` is a TFLite file from start to end."""
    if data[4:8] != IDENTIFIER:
        raise DamagedFileError(f"bytes 4 to 8 are {data[4:8]!r}, expected {IDENTIFIER!r}")
    file = _File(data)
    try:
        model = file.follow(0)
        file.check_table(model, _MODEL)
        file.check_indices(model)
    except struct.error:
        raise DamagedFileError("it ends too early") from None


class _File:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._left = len(data)  # items to look at: a sound file has far fewer than bytes

    def number(self, kind: str, at: int) -> int:
        if at < 0:  # struct would count from the end
            raise DamagedFileError(f"an offset leads to {at}, before its start")
        return struct.unpack_from("<" + kind, self._data, at)[0]

    def follow(self, at: int) -> int:
        return at + self.number("I", at)

    def field(self, table: int, index: int, kind: str = "I") -> int | None:
        """Where a table's field is, or None when it is absent."""
        vtable = table - self.number("i", table)
        slot = 4 + 2 * index
        if slot + 2 > self.number("H", vtable):
            return None
        offset = self.number("H", vtable + slot)
        if offset and offset + struct.calcsize(kind) > self.number("H", vtable + 2):
            raise DamagedFileError(f"field {index} of the table at {table} is outside the table")
        return table + offset if offset else None

    def check_table(self, table: int, fields: dict[int, Any]) -> None:
        self._look_at(1)
        vtable = table - self.number("i", table)
        self._inside(vtable, self.number("H", vtable))
        self._inside(table, self.number("H", vtable + 2))
        for index, kind in fields.items():
            at = self.field(table, index)
            if at is not None:
                self._check_field(self.follow(at), kind)

    def _check_field(self, target: int, kind: Any) -> None:
        if isinstance(kind, dict):
            self.check_table(target, kind)
        elif isinstance(kind, int):
            self._inside(target + 4, kind * self.number("I", target))
        else:
            for item in self.items(target):
                self.check_table(item, kind[0])

    def items(self, vector: int) -> Iterator[int]:
        """Where each table of a vector is."""
        count = self.number("I", vector)
        self._inside(vector + 4, 4 * count)
        self._look_at(count)
        return (self.follow(vector + 4 + 4 * i) for i in range(count))

    def _look_at(self, count: int) -> None:
        self._left -= count
        if self._left < 0:  # tables shared over and over: a small file would take hours
            raise DamagedFileError("it holds more items than bytes")

    def _inside(self, at: int, size: int) -> None:
        if at < 0 or size < 0 or at + size > len(self._data):
            raise DamagedFileError(f"{size} bytes at {at} are not in its {len(self._data)}")

    def check_indices(self, model: int) -> None:
        """Tensors that operators name, buffers that tensors name, codes that operators name."""
        codes, buffers = self._count(model, 1), self._count(model, 4)
        for graph in self._tables(model, 2):
            tensors = self._count(graph, 0)
            for tensor in self._tables(graph, 0):
                self._below(self._scalar(tensor, 2), buffers, "buffer")
            indices = [*self._integers(graph, 1), *self._integers(graph, 2)]
            for operator in self._tables(graph, 3):
                self._below(self._scalar(operator, 0), codes, "operator code")
                indices += [*self._integers(operator, 1), *self._integers(operator, 2)]
                options = self.field(operator, 4)
                if options is not None and self._scalar(operator, 3, "B") in _VECTOR_OPTIONS:
                    self.check_table(self.follow(options), _OPTIONS)
            for index in indices:
                self._below(index + 1, tensors + 1, "tensor")  # -1 is an input left out

    def _tables(self, table: int, index: int) -> Iterator[int]:
        at = self.field(table, index)
        return iter(()) if at is None else self.items(self.follow(at))

    def _count(self, table: int, index: int) -> int:
        at = self.field(table, index)
        return 0 if at is None else self.number("I", self.follow(at))

    def _integers(self, table: int, index: int) -> list[int]:
        at = self.field(table, index)
        if at is None:
            return []
        start = self.follow(at)
        count = self.number("I", start)
        self._look_at(count)
        return list(struct.unpack_from(f"<{count}i", self._data, start + 4))

    def _scalar(self, table: int, index: int, kind: str = "I") -> int:
        at = self.field(table, index, kind)
        return 0 if at is None else self.number(kind, at)

    def _below(self, index: int, count: int, what: str) -> None:
        if not 0 <= index < count:
            raise DamagedFileError(f"it names {what} {index} of {count}")
