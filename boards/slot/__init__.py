"""Two slots of the app on a board, and the one file that fills them and switches between them.

`slot.py` goes into every kit and runs on boards, with the standard library alone. The names here
are for the host's tools, which write the same layout into disk images.
"""

from __future__ import annotations

from boards.slot.slot import (
    CONTEXT,
    HOME,
    RESERVE_BYTES,
    SLOTS,
    SYSTEM_FILES,
    SYSTEM_LINKS,
    first_state,
    seal_slot,
)

__all__ = [
    "CONTEXT",
    "HOME",
    "RESERVE_BYTES",
    "SLOTS",
    "SYSTEM_FILES",
    "SYSTEM_LINKS",
    "first_state",
    "seal_slot",
]
