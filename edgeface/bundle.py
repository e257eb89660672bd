"""The bundle: one ``.efb`` file with the models, their manifest and their self-test.

The training side writes it with `write_bundle`, the board reads it with `Bundle.open`; they meet
nowhere else. docs/bundle-format.md describes the file.
"""

from __future__ import annotations

import io
import json
import math
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np

from edgeface.container import (
    BUNDLE,
    member_hashes,
    member_sizes,
    read_member,
    replacing,
    write_members,
)
from edgeface.errors import (
    BundleError,
    BundleFormatError,
    BundleIncompatibleError,
    BundleIntegrityError,
)
from edgeface.manifest import MANIFEST_NAME, parse_manifest

DEFAULT_BUNDLE = Path(__file__).with_name("models") / "default.efb"
_MANIFEST_LIMIT_BYTES = 1 << 20
_ARRAYS_LIMIT_BYTES = 64 << 20


@dataclass(frozen=True, eq=False)
class Bundle:
    """A bundle whose every byte was checked when it was opened.

    Attributes
    ----------
    path : Path
        The ``.efb`` file. Members are read from it on demand and checked again then.
    manifest : dict
        The parsed manifest; shared, so do not change it.
    """

    path: Path
    manifest: dict

    @classmethod
    def open(cls, path: str | Path | None = None, *, board: str = "any") -> Bundle:
        """Open and check a bundle.

        Parameters
        ----------
        path : str, Path or None
            An ``.efb`` file; None is the default bundle shipped inside the package.
        board : str
            The board it shall run on, for example ``"rk3576"``. A bundle that lists ``"any"``
            runs everywhere; one that does not must list ``board``.

        Raises
        ------
        BundleError
            The file is missing or unreadable.
        BundleFormatError
            Not a bundle, a member too many or missing, or a manifest that breaks a rule.
        BundleIntegrityError
            Truncated, or a member's length or hash is not the manifest's.
        BundleIncompatibleError
            Made for other boards.
        """
        place = DEFAULT_BUNDLE if path is None else Path(path)
        if path is None and not place.exists():
            raise BundleError(
                f"this installation has no default bundle ({place}): reinstall edgeface, or give "
                "the path of an .efb file"
            )
        sizes = member_sizes(place, BUNDLE)
        if MANIFEST_NAME not in sizes:
            raise BundleFormatError(f"{place} is not a bundle: it has no {MANIFEST_NAME}")
        data = read_member(place, MANIFEST_NAME, BUNDLE, limit_bytes=_MANIFEST_LIMIT_BYTES)
        bundle = cls(place, parse_manifest(data, source=str(place)))
        bundle._check_board(board)
        bundle._check_members(sizes)
        return bundle

    @property
    def name(self) -> str:
        """The bundle's name, for example ``"edgeface-default"``."""
        return self.manifest["name"]

    @property
    def version(self) -> str:
        """The bundle's version, for example ``"0.1.0"``."""
        return self.manifest["version"]

    @property
    def model_id(self) -> str:
        """16 hex digits that name the exact embedder: its file and its preprocessing.

        Templates carry it, because a cosine between embeddings of two models means nothing.
        """
        stage = self.stage("embedder")
        spec = json.loads(json.dumps(stage["input"]), parse_int=float)  # 127 and 127.0 are one spec
        file_hash = self.manifest["members"][stage["file"]]["sha256"]
        text = file_hash + json.dumps(spec, sort_keys=True, separators=(",", ":"))
        return sha256(text.encode("utf-8")).hexdigest()[:16]

    def stage(self, name: str) -> dict:
        """Return the manifest's entry of one stage; ``ValueError`` lists the stages there are."""
        stages = self.manifest["stages"]
        if name not in stages:
            raise ValueError(f"no stage {name!r}: this bundle has {', '.join(sorted(stages))}")
        return stages[name]

    def read(self, member: str) -> bytes:
        """Return a member's bytes, checked against the manifest again.

        Raises
        ------
        ValueError
            There is no such member; the text lists them.
        BundleIntegrityError
            The file changed since it was opened.
        """
        members = self.manifest["members"]
        if member not in members:
            raise ValueError(f"no member {member!r}: this bundle has {', '.join(sorted(members))}")
        self._check_members(member_sizes(self.path, BUNDLE), hashes=False)
        expected = members[member]
        data = read_member(self.path, member, BUNDLE, limit_bytes=expected["bytes"])
        self._check_hash(member, sha256(data).hexdigest())
        return data

    def threshold(self, far: float | None = None) -> float:
        """Return the cosine at or above which two faces are the same person.

        Parameters
        ----------
        far : float or None
            A false accept rate that the manifest lists; None is its default. Other rates are a
            ``ValueError`` that lists them: nothing is interpolated.
        """
        thresholds = self.manifest["thresholds"]
        wanted = thresholds["default_far"] if far is None else far
        for row in thresholds["by_far"]:
            if math.isclose(row["far"], wanted, rel_tol=1e-9):
                return float(row["cosine"])
        listed = ", ".join(f"{row['far']:g}" for row in thresholds["by_far"])
        raise ValueError(f"no threshold for a false accept rate of {far}: there are {listed}")

    def selftest_vectors(self) -> dict[str, np.ndarray]:
        """Return the arrays of ``selftest.npz``: inputs and the outputs they must give."""
        return self.arrays("selftest.npz")

    def arrays(self, member: str) -> dict[str, np.ndarray]:
        """Return the arrays of an ``.npz`` member.

        Raises
        ------
        BundleFormatError
            The member is not an archive of plain arrays (pickled objects are never loaded).
        """
        data = self.read(member)
        try:
            return _load_arrays(data)
        except (ValueError, KeyError, OSError, EOFError, MemoryError, zipfile.BadZipFile) as error:
            raise BundleFormatError(
                f"bundle {self.path}: {member} is not an archive of plain arrays ({error}): "
                "write it with numpy.savez"
            ) from error

    def describe(self) -> dict:
        """Return what a person asks first, as plain JSON values."""
        manifest = self.manifest
        keys = ("name", "version", "format", "compatible", "quality", "thresholds", "accuracy",
                "peak_memory_mb", "licences", "tools")  # fmt: skip
        members = {name: entry["bytes"] for name, entry in manifest["members"].items()}
        stages = manifest["stages"].items()
        return {
            "path": str(self.path),
            "model_id": self.model_id,
            "bytes": self.path.stat().st_size,
            "members": members,
            "stages": {name: _summary(stage, members) for name, stage in stages},
            **{key: manifest[key] for key in keys},
        }

    def _check_board(self, board: str) -> None:
        compatible = self.manifest["compatible"]
        if "any" not in compatible and board not in compatible:
            raise BundleIncompatibleError(
                f"bundle {self.path} is for {', '.join(compatible)}; this board is {board!r}: use "
                "a bundle made for it, or one for 'any'"
            )

    def _check_members(self, sizes: Mapping[str, int], *, hashes: bool = True) -> None:
        expected = self.manifest["members"]
        found = set(sizes) - {MANIFEST_NAME}
        lacking, extra = set(expected) - found, found - set(expected)
        for problem, names in (("lacks", lacking), ("has in excess", extra)):
            if names:
                raise BundleFormatError(
                    f"bundle {self.path} {problem} {', '.join(sorted(names))}: its members must be "
                    f"exactly those of {MANIFEST_NAME}"
                )
        for name in sorted(expected):
            self._check_length(name, sizes[name])
        for name, digest in member_hashes(self.path, BUNDLE).items() if hashes else ():
            if name != MANIFEST_NAME:
                self._check_hash(name, digest)

    def _check_length(self, name: str, found: int) -> None:
        expected = self.manifest["members"][name]["bytes"]
        if found != expected:
            raise BundleIntegrityError(
                f"bundle {self.path}: {name} has {found} bytes, the manifest says {expected}: copy "
                "or download it again"
            )

    def _check_hash(self, name: str, found: str) -> None:
        expected = self.manifest["members"][name]["sha256"]
        if found != expected:
            raise BundleIntegrityError(
                f"bundle {self.path}: {name} has SHA-256 {found[:16]}…, the manifest says "
                f"{expected[:16]}…: the file is damaged or was changed; copy or download it again"
            )


def write_bundle(path: str | Path, manifest: dict, members: Mapping[str, bytes]) -> Bundle:
    """Write a bundle atomically and return it opened.

    ``path`` is either the old file or the whole, checked new one, never something between. The
    same inputs give the same bytes.

    Parameters
    ----------
    path : str or Path
        Where to; by custom with the suffix ``.efb``.
    manifest : dict
        As docs/bundle-format.md says. Its "members" is filled in here; what it held is ignored.
    members : mapping of str to bytes
        Every file of the bundle but the manifest.

    Raises
    ------
    BundleError
        What was given would not open as a bundle, or the disk refused it.
    """
    place = Path(path)
    files = {name: members[name] for name in sorted(members)}
    complete = {**manifest, "members": {name: _entry(data) for name, data in files.items()}}
    text = json.dumps(complete, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    complete = parse_manifest(text.encode("utf-8"), source=str(place))
    files = {MANIFEST_NAME: text.encode("utf-8") + b"\n", **files}
    try:
        with replacing(place, mode=0o644) as temporary:
            write_members(temporary, files)
            Bundle.open(temporary, board=complete["compatible"][0])
    except OSError as error:
        raise BundleError(f"cannot write bundle {place}: {error.strerror or error}") from error
    return Bundle(place, complete)


def _entry(data: bytes) -> dict:
    return {"sha256": sha256(data).hexdigest(), "bytes": len(data)}


def _summary(stage: Mapping, members: Mapping[str, int]) -> dict:
    keys = ("file", "format", "precision", "default_variant")
    summary = {key: stage[key] for key in keys if key in stage}
    inside = {key: _summary(stage[key], members) for key in ("split", "head") if key in stage}
    return {**summary, "bytes": members[stage["file"]], **inside}


def _load_arrays(data: bytes) -> dict[str, np.ndarray]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:  # sizes before content: it may be a bomb
        declared = sum(info.file_size for info in archive.infolist())
    if declared > _ARRAYS_LIMIT_BYTES:
        raise ValueError(f"{declared} bytes of arrays, at most {_ARRAYS_LIMIT_BYTES} are accepted")
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}
