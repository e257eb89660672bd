"""The error that the host tools raise on purpose: what was found, what was expected, what to do."""

from __future__ import annotations


class BoardsError(Exception):
    """A wheel, kit, image, card or board is not what it must be, or a tool failed."""
