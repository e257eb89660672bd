"""How hostile bundles are judged: the documented error, quickly, in little memory, everywhere."""

from __future__ import annotations

import io
import re
import time
import tracemalloc
from contextlib import redirect_stderr, redirect_stdout

import pytest

from edgeface.bundle import Bundle
from edgeface.cli import main

LIMIT_SECONDS = 2.0
LIMIT_BYTES = 64 << 20
_SLOWEST_TRACED = 4  # what tracemalloc costs, generously


def refused(path, error, text, *, action=None):
    """Judge a refusal of ``Bundle.open(path)`` and of ``edgeface info``, or of ``action()`` alone.

    The exception is exactly ``error`` and its text matches ``text``. The command exits with 1 and
    prints that text as its one line.
    """
    tracemalloc.start()
    start = time.process_time()
    try:
        with pytest.raises(error, match=text) as caught:
            (action or (lambda: Bundle.open(path)))()
        seconds, peak = time.process_time() - start, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert type(caught.value) is error
    assert seconds < LIMIT_SECONDS * _SLOWEST_TRACED and peak < LIMIT_BYTES
    if action is None:
        code, out, err = info(path)
        assert (code, out) == (1, "") and len(err.splitlines()) == 1
        assert err.startswith("edgeface: ") and re.search(text, err)
        assert len(err) < 2000 and err.strip().isprintable()


def info(path):
    """Run ``edgeface info --bundle path``: (exit code, stdout, stderr)."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))  # as a terminal
    start = time.process_time()
    with redirect_stdout(out), redirect_stderr(err):
        code = main(["info", "--bundle", str(path)])
    assert time.process_time() - start < LIMIT_SECONDS
    return code, *(stream.detach().getvalue().decode() for stream in flushed(out, err))


def flushed(*streams):
    for stream in streams:
        stream.flush()
    return streams
