"""A gallery as one file, for backup and for other boards. docs/gallery-format.md describes it."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

import numpy as np

from edgeface.container import (
    GALLERY_EXPORT,
    member_sizes,
    read_member,
    replacing,
    write_members,
)
from edgeface.errors import GalleryError, GalleryFormatError, GalleryModelError
from edgeface.gallery_person import PersonRecord, apply_changes
from edgeface.gallery_template import Templates, require_embeddings, require_name
from edgeface.schema import JsonError, first_problem, parse_json

_INDEX_NAME = "gallery.json"
_TEMPLATES_NAME = "templates.f32"
_INDEX_LIMIT_BYTES = 64 << 20
_TEMPLATES_LIMIT_BYTES = 1 << 30
_TEXT = {"type": "string", "minLength": 1, "maxLength": 200}
_TIME = {
    "type": "string",
    "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$",
    "description": "UTC, for example 2026-01-31T12:00:00Z",
}
_OWN_DATA = ("consent_at", "expires_at", "groups", "card", "blocked")
_SCHEMA = {
    "type": "object",
    "required": ["format", "model_id", "dim", "people", "templates_sha256"],
    "additionalProperties": False,
    "properties": {
        "format": {
            "type": "integer",
            "enum": [1, 2],
            "description": "this edgeface reads formats 1 and 2; for a newer one upgrade edgeface",
        },
        "model_id": _TEXT,
        "dim": {"type": "integer", "minimum": 1, "maximum": 65536},
        "templates_sha256": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
        "people": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["name", "enrolled_at", "templates"],
                "additionalProperties": False,
                "properties": {
                    "name": {"type": "string"},
                    "enrolled_at": _TIME,
                    "templates": {"type": "integer", "minimum": 1},
                    "consent_at": _TIME,
                    "expires_at": _TIME,
                    "groups": {"type": "array", "items": {"type": "string"}},
                    "card": {"type": "array", "items": {"type": "integer"}},
                    "blocked": {"type": "boolean"},
                },
            },
        },
    },
}


def write_gallery_file(path: Path, templates: Templates, *, model_id: str) -> None:
    """Write the export atomically, readable by its owner only; people in order of their names.

    The same gallery gives the same bytes. ``GalleryError`` when the disk refuses it.
    """
    order = sorted(range(len(templates.names)), key=lambda i: templates.names[i])
    order = [i for i in order if (templates.owners == i).any()]
    rows = [templates.embeddings[templates.owners == i].astype("<f4") for i in order]
    data = b"".join(part.tobytes() for part in rows)
    people = [_entry(templates.people[i], len(part)) for i, part in zip(order, rows)]
    index = {
        # An older edgeface must not read it and forget who is blocked.
        "format": 2 if any(len(entry) > 3 for entry in people) else 1,
        "model_id": model_id,
        "dim": templates.embeddings.shape[1],
        "people": people,
        "templates_sha256": sha256(data).hexdigest(),
    }
    text = json.dumps(index, indent=1, ensure_ascii=False)
    try:
        with replacing(path, mode=0o600) as temporary:
            write_members(temporary, {_INDEX_NAME: text.encode(), _TEMPLATES_NAME: data})
    except OSError as error:
        reason = error.strerror or error
        raise GalleryError(
            f"cannot write gallery export {path}: {reason}: check the disk's space and permissions"
        ) from error


def read_gallery_file(path: Path, *, model_id: str, dim: int) -> Templates:
    """Read and check an export.

    Raises
    ------
    GalleryError
        The file is missing or unreadable.
    GalleryFormatError
        Not an export, damaged, or a name, shape or norm that no gallery would take.
    GalleryModelError
        It holds templates of another model.
    """
    sizes = member_sizes(path, GALLERY_EXPORT)
    if set(sizes) != {_INDEX_NAME, _TEMPLATES_NAME}:
        raise _refusal(path, f"its members are {', '.join(sorted(sizes)) or 'none'}")
    index = _read_index(path)
    if index["model_id"] != model_id or index["dim"] != dim:
        raise GalleryModelError(
            f"gallery export {path} holds templates of model {index['model_id']} (length "
            f"{index['dim']}), in use is {model_id} (length {dim}): they cannot be compared; enrol "
            "from photos instead"
        )
    data = read_member(path, _TEMPLATES_NAME, GALLERY_EXPORT, limit_bytes=_TEMPLATES_LIMIT_BYTES)
    if sha256(data).hexdigest() != index["templates_sha256"]:
        raise _refusal(path, f"{_TEMPLATES_NAME} has another SHA-256 than {_INDEX_NAME} says")
    return _to_templates(path, index, data)


def _read_index(path: Path) -> dict:
    data = read_member(path, _INDEX_NAME, GALLERY_EXPORT, limit_bytes=_INDEX_LIMIT_BYTES)
    try:
        index = parse_json(data)
    except JsonError as error:
        raise _refusal(path, f"{_INDEX_NAME} is not strict JSON: {error}") from error
    problem = first_problem(index, _SCHEMA)
    if problem:
        raise _refusal(path, f"{_INDEX_NAME}: {problem}")
    return index


def _to_templates(path: Path, index: dict, data: bytes) -> Templates:
    counts = [person["templates"] for person in index["people"]]
    expected = sum(counts) * index["dim"] * 4
    if len(data) != expected:
        raise _refusal(path, f"{_TEMPLATES_NAME} has {len(data)} bytes, expected {expected}")
    embeddings = np.frombuffer(data, "<f4").astype(np.float32, copy=False)
    embeddings = embeddings.reshape(-1, index["dim"])
    try:
        people = tuple(_record(entry) for entry in index["people"])
        if counts:
            require_embeddings(embeddings, dim=index["dim"])
    except (ValueError, TypeError) as error:
        raise _refusal(path, str(error)) from error
    if len({person.name for person in people}) != len(people):
        raise _refusal(path, "a name appears twice")
    return Templates(people, np.repeat(np.arange(len(counts)), counts), embeddings)


def _entry(person: PersonRecord, templates: int) -> dict:
    entry = {"name": person.name, "enrolled_at": person.enrolled_at, "templates": templates}
    own = {key: getattr(person, key) for key in _OWN_DATA}
    return {**entry, **{key: value for key, value in own.items() if value}}


def _record(entry: dict) -> PersonRecord:
    own = {key: entry[key] for key in _OWN_DATA if key in entry}
    return apply_changes(PersonRecord(require_name(entry["name"]), entry["enrolled_at"]), own)


def _refusal(path: Path, reason: str) -> GalleryFormatError:
    return GalleryFormatError(
        f"{path} is not a sound gallery export ({reason}): export it again; nothing was imported"
    )
