"""Parsers of strangers' bytes against their seeds, what fuzzing found, and thousands of changes.

``make fuzz MINUTES=10`` looks for new ones, guided by what code each input reaches.
"""

from __future__ import annotations

import random

import pytest

from tests.fuzz.targets import FOUND, TARGETS, inputs

CHANGES = 400
LONGEST = 8192
_TOKENS = (b"0", b"-1", b"1e999", b"null", b"[]", b"{}", b'""', b"\\u0000", b"\n", b"\xff", b"PK")


def changed(data: bytes, dice: random.Random) -> bytes:
    """Some bytes changed, taken away, repeated, or put in."""
    result = bytearray(data[:LONGEST])
    for _ in range(dice.randint(1, 4)):
        at = dice.randrange(len(result) + 1)
        until = min(len(result), at + dice.randint(1, 24))
        kind = dice.randrange(5)
        if kind == 0 and at < len(result):
            result[at] ^= 1 << dice.randrange(8)
        elif kind == 1:
            del result[at:until]
        elif kind == 2:
            result[at:at] = result[at:until] * dice.randint(1, 3)
        elif kind == 3:
            result[at:until] = dice.choice(_TOKENS)
        else:
            result[at:at] = bytes(dice.randrange(256) for _ in range(dice.randint(1, 8)))
    return bytes(result)


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_parser_does_as_it_says_with_seeds_and_what_was_found(name):
    for data in inputs(name):
        TARGETS[name].check(data)


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_parser_does_as_it_says_whatever_is_changed(name):
    dice = random.Random(name)
    known = inputs(name)
    for _ in range(CHANGES):
        data = changed(dice.choice(known), dice)
        try:
            TARGETS[name].check(data)
        except Exception as error:  # the input is what is needed to mend it
            raise AssertionError(f"{name}: {type(error).__name__} for {data[:2000]!r}") from error


def test_what_was_found_belongs_to_a_target():
    folders = {entry.name for entry in FOUND.iterdir() if entry.is_dir()} if FOUND.exists() else {}
    assert set(folders) <= set(TARGETS)
