"""Everything about one person as readable JSON, for that person (GDPR, articles 15 and 20)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from edgeface.container import replacing
from edgeface.errors import GalleryError
from edgeface.gallery_backup import listed_backups
from edgeface.gallery_load import open_rows
from edgeface.gallery_person import PersonRecord, now
from edgeface.gallery_store import GalleryStore

FORMAT = 1


def account_of(
    store: GalleryStore, found: tuple[int, bytes, PersonRecord], *, templates: bool
) -> dict[str, Any]:
    """Return everything held about a person, inside a transaction."""
    number, uid, record = found
    rows = store.db.execute(
        "SELECT id, person_id, model_id, embedding FROM template WHERE person_id = ? ORDER BY id",
        (number,),
    ).fetchall()
    models = [row[2] for row in rows]
    account: dict[str, Any] = {
        "format": FORMAT,
        "exported_at": now(),
        "gallery_id": store.settings["gallery_id"],
        "person": {**vars(record), "groups": list(record.groups)},
        "templates": {model: models.count(model) for model in sorted(set(models))},
        "what_a_template_is": (
            "a list of numbers that a model computes from a photo of a face, and by which the face "
            "is recognised; the photo itself is not kept"
        ),
        "backups": [
            {"path": path, "made_at": made_at}
            for path, made_at in listed_backups(store.db, since=record.enrolled_at)
        ],
    }
    if templates:
        opened = open_rows(store.seal, {number: uid}, rows, path=store.path)
        account["template_values"] = [
            {"model_id": model, "values": np.frombuffer(row, "<f4").tolist()}
            for model, (_, _, row) in zip(models, opened)
        ]
    return account


def write_account(path: Path, account: dict[str, Any]) -> None:
    """Write it atomically, readable by its owner only; ``GalleryError`` when the disk refuses."""
    text = json.dumps(account, indent=1, ensure_ascii=False) + "\n"
    try:
        with replacing(path, mode=0o600) as temporary:
            temporary.write_text(text, encoding="utf-8")
    except OSError as error:
        raise GalleryError(
            f"cannot write {path}: {error.strerror or error}: check the disk's space and "
            "permissions"
        ) from error
