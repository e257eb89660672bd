"""What the machine's owner configured: which bundle, whose signature it must carry, how it runs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edgeface.board_root import board_root
from edgeface.bundle import THIS_BOARD, Bundle
from edgeface.container import replacing
from edgeface.errors import BoardError
from edgeface.manifest import RUNTIMES, VARIANTS
from edgeface.schema import first_problem
from edgeface.toml import read_toml

PUBLIC_KEY_VARIABLE = "EDGEFACE_PUBLIC_KEY"
SETTINGS_VARIABLE = "EDGEFACE_CONFIG"
SETTINGS_FILE = "etc/edgeface/edgeface.toml"
_TABLE = "embedder"
_SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "runtime": {"type": "string", "enum": list(RUNTIMES)},
        "variant": {"type": "string", "enum": list(VARIANTS)},
        "threads": {"type": "integer", "minimum": 1, "maximum": 1024},
        "cpus": {
            "type": "array",
            "minItems": 1,
            "uniqueItems": True,
            "items": {"type": "integer", "minimum": 0, "maximum": 65535},
        },
    },
}


@dataclass(frozen=True)
class Settings:
    """How the embedder runs on this machine; None leaves it to the board and the bundle.

    Attributes
    ----------
    runtime
        One of `edgeface.manifest.RUNTIMES`.
    variant
        "whole" or "split".
    threads
        CPU threads of one inference.
    cpus
        CPUs that the ``edgeface`` command keeps to, numbered as `os.sched_setaffinity` does.
    """

    runtime: str | None = None
    variant: str | None = None
    threads: int | None = None
    cpus: tuple[int, ...] | None = None

    def overridden(
        self, *, runtime: str | None, variant: str | None, threads: int | None
    ) -> Settings:
        """Return these with what a caller named; a variant set for another runtime is left out."""
        same = runtime is None or runtime == self.runtime
        return Settings(
            runtime=runtime or self.runtime,
            variant=variant or (self.variant if same else None),
            threads=self.threads if threads is None else threads,
            cpus=self.cpus,
        )


def open_bundle(
    bundle: str | os.PathLike[str] | Bundle | None = None,
    *,
    public_key: str | os.PathLike[str] | None = None,
    board: str | None = THIS_BOARD,
) -> Bundle:
    """Open a bundle as this machine is configured.

    Parameters
    ----------
    bundle
        An ``.efb`` file, or an open `Bundle`, whose signature is then checked here. None takes
        EDGEFACE_BUNDLE's file, else the one shipped in the package.
    public_key
        PEM file, or folder of them, as ``Bundle.open`` says. None takes EDGEFACE_PUBLIC_KEY's;
        without that nothing is asked of signatures. Set but empty is an error.
    board
        As ``Bundle.open`` says; an open `Bundle` was checked then.

    Raises
    ------
    BundleError
        Missing, damaged or unsuitable.
    BundleSignatureError
        A public key is configured, and no signature by it holds, or it cannot be read.
    """
    key = public_key if public_key is not None else os.environ.get(PUBLIC_KEY_VARIABLE)
    if isinstance(bundle, Bundle):
        return bundle if key is None else bundle.checked_with(key)
    chosen = bundle if bundle is not None else os.environ.get("EDGEFACE_BUNDLE") or None
    return Bundle.open(chosen, board=board, public_key=key)


def settings_path() -> Path:
    """Return where settings are: EDGEFACE_CONFIG's file, else /etc/edgeface/edgeface.toml."""
    return Path(os.environ.get(SETTINGS_VARIABLE) or board_root() / SETTINGS_FILE)


def settings() -> Settings:
    """Return what table [embedder] of the settings says; nothing where there is no such file.

    Raises
    ------
    BoardError
        The file cannot be read or is not TOML, or the table holds something unknown.
    """
    path = settings_path()
    table = (read_toml(path) or {}).get(_TABLE, {})
    problem = first_problem(table, _SCHEMA)
    if problem:
        raise BoardError(f"{path}, table [{_TABLE}]: {problem}; correct it or remove the line")
    values = {**table, "cpus": tuple(table["cpus"])} if "cpus" in table else table
    return Settings(**values)


def write_settings(chosen: Settings, path: str | os.PathLike[str] | None = None) -> Path:
    """Write table [embedder] of the settings, atomically, and return where it is.

    The rest of the file stays as it is, comments too; what is None is taken out.

    Parameters
    ----------
    chosen
        The settings.
    path
        The file, which need not exist. None takes what `settings_path` says.

    Raises
    ------
    BoardError
        What is there is no plain file, is not TOML, or its "embedder" is no table.
    OSError
        The disk refused it.
    """
    import tomlkit

    place = Path(path) if path is not None else settings_path()
    if place.exists() and not place.is_file():  # /dev/null would become a file
        raise BoardError(f"cannot write settings to {place}: it is no plain file; name another")
    found = read_toml(place)  # refuses what is not TOML, in our words
    document = tomlkit.parse(place.read_text("utf-8")) if found is not None else tomlkit.document()
    if not isinstance(document.setdefault(_TABLE, tomlkit.table()), Mapping):
        raise BoardError(f"{place}: {_TABLE} is no table; expected [{_TABLE}]; correct it")
    table: Any = document[_TABLE]
    for key, value in asdict(chosen).items():
        if value is not None:
            table[key] = list(value) if key == "cpus" else value
        elif key in table:
            del table[key]
    place.parent.mkdir(parents=True, exist_ok=True)
    with replacing(place, mode=0o644) as temporary:
        temporary.write_text(tomlkit.dumps(document), encoding="utf-8")
    return place
