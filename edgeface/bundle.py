"""The bundle: one ``.efb`` file with the models, their manifest and their self-test.

The training side writes it with `write_bundle`, the board reads it with `Bundle.open`; they meet
nowhere else. docs/bundle-format.md describes the file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path

import numpy as np

from edgeface.board import Board
from edgeface.bundle_check import require_board, require_hashes, require_sizes
from edgeface.bundle_summary import model_id, summarise, threshold_at
from edgeface.container import (
    BUNDLE,
    member_hashes,
    member_sizes,
    read_member,
    replacing,
    write_members,
)
from edgeface.errors import BundleError, BundleFormatError
from edgeface.manifest import MANIFEST_NAME, SIGNATURE_NAME, parse_manifest
from edgeface.npz import load_npz
from edgeface.signature import (
    SIGNATURE_LIMIT_BYTES,
    check_signatures,
    format_signatures,
    load_public_keys,
    parse_signatures,
)

DEFAULT_BUNDLE = Path(__file__).with_name("models") / "default.efb"
THIS_BOARD = "this"
_MANIFEST_LIMIT_BYTES = 1 << 20


@dataclass(frozen=True, eq=False)
class Bundle:
    """A bundle whose every byte was checked when it was opened.

    Attributes
    ----------
    path : Path
        The ``.efb`` file. Members are read from it on demand and checked again then.
    manifest : dict
        The parsed manifest; shared, so do not change it.
    manifest_bytes : bytes
        ``manifest.json`` as it is stored: what signatures are over.
    signatures : mapping of str to bytes
        Key id to signature, as the file claims them; empty when it is not signed.
    signed_by : tuple of str
        Ids of the given public keys whose signatures hold; empty when none was given.
    """

    path: Path
    manifest: dict
    manifest_bytes: bytes = field(repr=False)
    signatures: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    signed_by: tuple[str, ...] = ()

    @classmethod
    def open(
        cls,
        path: str | Path | None = None,
        *,
        board: str | None = THIS_BOARD,
        public_key: str | Path | None = None,
    ) -> Bundle:
        """Open and check a bundle.

        Parameters
        ----------
        path : str, Path or None
            An ``.efb`` file; None is the default bundle shipped inside the package.
        board : str or None
            The board it shall run on, for example ``"rk3576"``; ``"this"`` is the one that
            `edgeface.Board.detect` finds. A bundle that lists ``"any"`` runs everywhere; one that
            does not must list ``board``. None asks for no board, for tools that do not run it.
        public_key : str, Path or None
            PEM file of the key that must have signed it, or a folder of such; None checks no
            signature.

        Raises
        ------
        BundleError
            The file is missing or unreadable.
        BundleFormatError
            Not a bundle, a member too many or missing, or a manifest that breaks a rule.
        BundleIntegrityError
            Truncated, or a member's length or hash is not the manifest's.
        BundleSignatureError
            A public key is given and no signature by it holds, or it cannot be read. Found before
            anything in the manifest is believed.
        BundleIncompatibleError
            Made for other boards.
        BoardError
            It is not for all boards, and which this one is cannot be said.
        """
        place = DEFAULT_BUNDLE if path is None else Path(path)
        if path is None and not place.exists():
            raise BundleError(
                f"this installation has no default bundle ({place}): reinstall edgeface, or give "
                "the path of an .efb file"
            )
        keys = None if public_key is None else load_public_keys(public_key)
        sizes = member_sizes(place, BUNDLE)
        if MANIFEST_NAME not in sizes:
            raise BundleFormatError(f"{place} is not a bundle: it has no {MANIFEST_NAME}")
        data = read_member(place, MANIFEST_NAME, BUNDLE, limit_bytes=_MANIFEST_LIMIT_BYTES)
        signatures = _read_signatures(place) if SIGNATURE_NAME in sizes else {}
        signed_by = ()
        if keys is not None:
            signed_by = check_signatures(data, signatures, keys=keys, source=str(place))
        manifest = parse_manifest(data, source=str(place))
        if board == THIS_BOARD and "any" not in manifest["compatible"]:
            board = Board.detect().name
        require_board(manifest, board, path=place)
        require_sizes(manifest, sizes, path=place)
        require_hashes(manifest, member_hashes(place, BUNDLE), path=place)
        return cls(place, manifest, data, signatures, signed_by)

    def checked_with(self, public_key: str | Path) -> Bundle:
        """Return this bundle with its signatures checked, as ``Bundle.open`` does.

        Raises
        ------
        BundleSignatureError
            No signature by this key, or by one in this folder, holds.
        """
        keys = load_public_keys(public_key)
        found, source = self.signatures, str(self.path)
        names = check_signatures(self.manifest_bytes, found, keys=keys, source=source)
        return replace(self, signed_by=names)

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
        return model_id(self.manifest)

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
        require_sizes(self.manifest, member_sizes(self.path, BUNDLE), path=self.path)
        limit = members[member]["bytes"]
        data = read_member(self.path, member, BUNDLE, limit_bytes=limit)
        require_hashes(self.manifest, {member: sha256(data).hexdigest()}, path=self.path)
        return data

    def threshold(self, far: float | None = None) -> float:
        """Return the cosine at or above which two faces are the same person.

        Parameters
        ----------
        far : float or None
            A false accept rate that the manifest lists; None is its default. Other rates are a
            ``ValueError`` that lists them: nothing is interpolated.
        """
        return threshold_at(self.manifest["thresholds"], far)

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
            return load_npz(data)
        except ValueError as error:
            raise BundleFormatError(
                f"bundle {self.path}: {member} is not an archive of plain arrays ({error}): "
                "write it with numpy.savez"
            ) from error

    def describe(self) -> dict:
        """Return what a person asks first, as plain JSON values."""
        return {
            "path": str(self.path),
            "model_id": self.model_id,
            "bytes": self.path.stat().st_size,
            "signature": {"by": sorted(self.signatures), "checked": list(self.signed_by)},
            **summarise(self.manifest),
        }


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
    listed = {
        name: {"sha256": sha256(data).hexdigest(), "bytes": len(data)}
        for name, data in files.items()
    }
    complete = {**manifest, "members": listed}
    text = json.dumps(complete, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    data = text.encode("utf-8")
    parse_manifest(data, source=str(place))  # before anything is written
    return _write(place, {MANIFEST_NAME: data + b"\n", **files})


def write_signed(path: str | Path, bundle: Bundle, signatures: Mapping[str, bytes]) -> Bundle:
    """Write a copy of a bundle with these signatures, atomically, and return it opened.

    Everything else stays as it is stored, the manifest to the byte; ``path`` may be the bundle's
    own. The signatures are not checked.

    Parameters
    ----------
    signatures : mapping of str to bytes
        Key id to signature, all that the copy shall carry; 1 to 8 of them.

    Raises
    ------
    BundleError
        The bundle changed since it was opened, or the disk refused the copy.
    """
    files = {MANIFEST_NAME: bundle.manifest_bytes}
    files.update({name: bundle.read(name) for name in sorted(bundle.manifest["members"])})
    files[SIGNATURE_NAME] = format_signatures(signatures)
    return _write(Path(path), files)


def _write(place: Path, files: Mapping[str, bytes]) -> Bundle:
    try:
        with replacing(place, mode=0o644) as temporary:
            write_members(temporary, files)
            written = Bundle.open(temporary, board=None)
    except OSError as error:
        raise BundleError(f"cannot write bundle {place}: {error.strerror or error}") from error
    return replace(written, path=place)


def _read_signatures(path: Path) -> dict[str, bytes]:
    data = read_member(path, SIGNATURE_NAME, BUNDLE, limit_bytes=SIGNATURE_LIMIT_BYTES)
    return parse_signatures(data, source=str(path))
