"""What boards and the site's server install: exact versions."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, distribution

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from boards.errors import BoardsError
from boards.kit.wheels import RUNTIME_FILES, pinned
from boards.wheels.target import PYTHONS, Target


def board_packages() -> dict[str, list[str]]:
    """Return what kits install, name==version, by Python: every runtime's packages."""
    return {python: pinned(Target(python, "aarch64"), tuple(RUNTIME_FILES)) for python in PYTHONS}


def server_packages() -> list[str]:
    """Return what the extras ``door`` and ``site`` are in this environment, name==version.

    Raises
    ------
    BoardsError
        One of their packages is not installed here.
    """
    packages = installed([Requirement("edgeface[door,site]")])
    return [package for package in packages if not package.startswith("edgeface==")]


def installed(wanted: Iterable[Requirement]) -> list[str]:
    """Return packages and all that they need, as installed here, in alphabetic order.

    Raises
    ------
    BoardsError
        One is not installed.
    """
    found: dict[str, str] = {}
    seen: set[tuple[str, str]] = set()
    waiting = [(requirement, "") for requirement in wanted]
    while waiting:
        requirement, asked = waiting.pop()
        name = canonicalize_name(requirement.name)
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": asked}):
            continue
        package = _distribution(requirement.name)
        found[name] = f"{name}=={package.version}"
        for extra in {"", *requirement.extras} - {known for n, known in seen if n == name}:
            seen.add((name, extra))
            waiting += [(Requirement(text), extra) for text in package.requires or ()]
    return [found[name] for name in sorted(found)]


def _distribution(name: str):
    try:
        return distribution(name)
    except PackageNotFoundError as error:
        raise BoardsError(
            f"{name} is not installed here, expected all of the extras door and site: "
            "pip install -e '.[door,site]'"
        ) from error
