"""What an agent does beside following people and rules: each is a part, and hears every answer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any


class Part(ABC):
    """Something with threads of its own, so that nothing in it keeps the agent waiting.

    Attributes
    ----------
    name
        Under which its problem is told.
    """

    name: str

    @abstractmethod
    def start(self) -> None:
        """Begin."""

    @abstractmethod
    def take(self, answer: Mapping[str, Any]) -> None:
        """Hear the site's newest answer (`edgeface.site.wire.CHANGES`).

        Raises
        ------
        EdgeFaceError
            It cannot do what the site asks; the rest of the agent goes on.
        """

    def waits(self) -> bool:
        """Whether it can go on only with the site's next answer, which then comes soon."""
        return False

    def status(self) -> Mapping[str, Any]:
        """Return fields for the door's status (`edgeface.site.wire.STATUS`)."""
        return {}

    def problem(self) -> str | None:
        """Return what is wrong with it now, or None."""
        return None

    @abstractmethod
    def close(self) -> None:
        """End its threads; closing twice is harmless."""
