"""Libraries of chip vendors: where they are found, and whether they are new enough."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Mapping, Sequence

from edgeface.errors import BackendUnavailableError

FOLDERS = ("/usr/lib", "/usr/lib/aarch64-linux-gnu", "/usr/local/lib")


def load_library(
    names: Sequence[str],
    *,
    variable: str,
    install: str,
    companions: Mapping[str, str] | None = None,
) -> ctypes.CDLL:
    """Load a vendor's library.

    Parameters
    ----------
    names
        File names that it goes by, best first. Each is looked for as ld.so does, then in
        `FOLDERS`.
    variable
        Environment variable that names the one file to take instead.
    install
        What to do where there is none, for the error.
    companions
        Library that one of `names` needs, by that name: taken from beside it where it lies there,
        since ld.so does not look in that folder.

    Raises
    ------
    BackendUnavailableError
        Not found, or what was found cannot be loaded.
    """
    chosen = os.environ.get(variable)
    places = [chosen] if chosen else [place for name in names for place in _places(name)]
    problems = []
    for place in places:
        try:
            _load_companion(place, companions or {})
            return ctypes.CDLL(place)
        except OSError as error:
            if chosen or not str(error).startswith(f"{place}: cannot open shared object file"):
                problems.append(str(error))
    found = "; ".join(problems) or f"looked for {' and '.join(names)} in {', '.join(FOLDERS)}"
    raise BackendUnavailableError(f"{names[0]} cannot be loaded ({found}): {install}")


def require_versions(
    needs: Mapping[str, str], found: Mapping[str, str], *, name: str, upgrade: str
) -> None:
    """Raise BackendUnavailableError where a model needs other vendor software than is here.

    Parameters
    ----------
    needs
        The manifest's: oldest version of each piece, such as {"viplite": "1.13"}; after "<" the
        first that is too new: {"viplite": "1.13 <2"}.
    found
        The version of each piece that this backend can tell, such as {"viplite": "1.13.0"}.
    name
        The stage's name, for the error.
    upgrade
        What to do, for the error.
    """
    for piece, needed in needs.items():
        oldest, bounded, too_new = (part.strip() for part in needed.partition("<"))
        if piece not in found:
            raise BackendUnavailableError(
                f"{name}: the bundle needs {piece} {needed}, this edgeface can tell the version of "
                f"{', '.join(found)} only: upgrade edgeface, or use another bundle"
            )
        if _numbers(found[piece], piece) < _numbers(oldest, piece):
            raise BackendUnavailableError(
                f"{name}: {piece} is {found[piece]}, the bundle needs {oldest} or newer: {upgrade}"
            )
        if bounded and _numbers(found[piece], piece) >= _numbers(too_new, piece):
            raise BackendUnavailableError(
                f"{name}: {piece} is {found[piece]}, the bundle needs one below {too_new}: use a "
                "bundle that was built for it, or the older version"
            )


def _places(name: str) -> list[str]:
    return [name, *(f"{folder}/{name}" for folder in FOLDERS)]


def _load_companion(place: str, companions: Mapping[str, str]) -> None:
    folder, name = os.path.split(place)
    beside = os.path.join(folder, companions.get(name, ""))
    if folder and name in companions and os.path.exists(beside):
        ctypes.CDLL(beside)


def _numbers(version: str, piece: str) -> tuple[int, ...]:
    """ "2.3.0" as numbers that compare: (2, 3), since trailing zeros say nothing."""
    try:
        numbers = [int(part) for part in version.split(".")]
    except ValueError:
        raise BackendUnavailableError(
            f"{piece}: {version!r} is no version, expected numbers and dots such as 2.3.0: "
            "pack the bundle again, or reinstall that software"
        ) from None
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)
