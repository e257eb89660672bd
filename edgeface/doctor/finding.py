"""What a check found."""

from __future__ import annotations

from dataclasses import dataclass

OK, WARN, FAIL = "ok", "warn", "fail"


@dataclass(frozen=True)
class Finding:
    """One line of `edgeface doctor`.

    Attributes
    ----------
    check
        What was looked at, such as "NPU library".
    status
        "ok", "warn" (works, but not as it should) or "fail" (does not work).
    found
        What was found.
    remedy
        What to do; "" where all is well.
    """

    check: str
    status: str
    found: str
    remedy: str = ""
