"""Arrays of an ``.npz`` file from a stranger: plain numbers, measured before they are unpacked.

``numpy.load`` is made for one's own files. From a hostile one, with ``allow_pickle=False`` too, it
evaluates a Python literal, may raise nearly anything (``tokenize.TokenError``), and unpacks 447
bytes of bzip2 to hundreds of megabytes before it looks at the declared size.
"""

from __future__ import annotations

import io
import math
import re
import zipfile
import zlib

import numpy as np

from edgeface.container import ENCRYPTED_FLAGS, ZIP_DAMAGE, end_problem

_LIMIT_BYTES = 64 << 20
_MAGIC = b"\x93NUMPY\x01\x00"
# As numpy.lib.format writes version 1.0, and nothing else: little-endian numbers, no objects.
_HEADER = re.compile(
    rb"\{'descr': '(<[fiu][248]|\|[iu]1)', 'fortran_order': (True|False), "
    rb"'shape': \(((?:\d{1,9}, ?)*(?:\d{1,9})?)\), \} *\n"
)
# zipfile can bound what these two unpack to, and not what bzip2 and LZMA do.
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


def load_npz(data: bytes) -> dict[str, np.ndarray]:
    """Return the arrays that ``numpy.savez`` or ``savez_compressed`` wrote, by name.

    Parameters
    ----------
    data : bytes
        The whole file.

    Raises
    ------
    ValueError
        Not such a file, or arrays of more than 64 MiB; the text says what was found.
    """
    problem = end_problem(data[-64:], size=len(data))
    if problem:
        raise ValueError(problem)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            _check_entries(archive.infolist())
            return {
                info.filename[: -len(".npy")]: _array(_unpacked(archive, info), info.filename)
                for info in archive.infolist()
            }
    except (*ZIP_DAMAGE, zlib.error) as error:
        raise ValueError(str(error)) from error


def _unpacked(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    with archive.open(info) as stream:  # not archive.read: that unpacks up to a gigabyte at once
        return stream.read(info.file_size)


def _check_entries(entries: list[zipfile.ZipInfo]) -> None:
    names = [info.filename for info in entries]
    if len(set(names)) != len(names):
        raise ValueError("an array appears twice")
    for info in entries:
        plain = info.compress_type in _METHODS and not info.flag_bits & ENCRYPTED_FLAGS
        if not plain or not info.filename.endswith(".npy"):
            raise ValueError(f"{info.filename[:80]!r} is no stored or deflated .npy file")
    declared = sum(info.file_size for info in entries)
    if declared > _LIMIT_BYTES:
        raise ValueError(f"{declared} bytes of arrays, at most {_LIMIT_BYTES} are accepted")


def _array(data: bytes, name: str) -> np.ndarray:
    start = len(_MAGIC) + 2
    body = start + int.from_bytes(data[len(_MAGIC) : start], "little")
    header = _HEADER.fullmatch(data[start:body])
    if not data.startswith(_MAGIC) or header is None:
        raise ValueError(f"{name[:80]!r} is no array of plain little-endian numbers")
    dtype, fortran, dims = (group.decode() for group in header.groups())
    shape = tuple(int(text) for text in dims.split(",") if text.strip())
    expected = math.prod(shape) * np.dtype(dtype).itemsize
    if len(data) - body != expected:
        raise ValueError(
            f"{name[:80]!r} of shape {shape} needs {expected} bytes, it has {len(data) - body}"
        )
    values = np.frombuffer(data, dtype, offset=body)
    return values.reshape(shape, order="F" if fortran == "True" else "C").copy()
