"""Is a gallery whole? Every row of every model, and the file's own structure."""

from __future__ import annotations

from dataclasses import dataclass

from edgeface.errors import GalleryFormatError
from edgeface.gallery_connection import SCRUB
from edgeface.gallery_database import damaged, pragma
from edgeface.gallery_load import open_rows, read_people
from edgeface.gallery_receipt import read_receipts
from edgeface.gallery_schema1 import read_people as read_people_1
from edgeface.gallery_schema1 import read_templates as read_templates_1
from edgeface.gallery_store import GalleryStore


@dataclass(frozen=True)
class GalleryCheck:
    """What a whole gallery holds.

    Attributes
    ----------
    people, templates : int
        Everybody, and the templates of every model.
    needing_enrolment : int
        People with templates of other models only.
    erasures : int
        Receipts.
    encrypted : bool
        Whether a key is needed to read it.
    traces : bool
        Whether deleted templates may still be in free space: another process held the log. Closing
        all programs that use the gallery and opening it again overwrites them.
    """

    people: int
    templates: int
    needing_enrolment: int
    erasures: int
    encrypted: bool
    traces: bool


def check_rows(store: GalleryStore, *, model_id: str) -> GalleryCheck:
    """Read and check everything, inside a transaction.

    Raises ``GalleryFormatError`` that says what is damaged.
    """
    db, path = store.db, store.path
    verdict = pragma(db, "integrity_check(1)")
    strays = db.execute("PRAGMA foreign_key_check").fetchall()
    if verdict != "ok" or strays:
        what = " ".join(verdict.split()) if verdict != "ok" else f"{len(strays)} rows of nobody"
        raise GalleryFormatError(damaged(path, what))
    receipts: tuple = ()
    if store.is_schema_1:
        old = read_people_1(db)
        people = [number for number, _ in old]
        owners = [(p, model) for p, model, _ in read_templates_1(db, old, path=path)]
    else:
        people, owners = _check_sealed(store)
        receipts = read_receipts(db, path=path)
        store.receipt_key()
    current = {person for person, model in owners if model == model_id}
    return GalleryCheck(
        people=len(people),
        templates=len(owners),
        needing_enrolment=len(set(people) - current),
        erasures=len(receipts),
        encrypted="key" in store.settings,
        traces=SCRUB in store.settings,
    )


def _check_sealed(store: GalleryStore) -> tuple[list[int], list[tuple[int, str]]]:
    uids = {n: uid for n, uid, _ in read_people(store.db, store.seal, path=store.path)}
    rows = store.db.execute(
        "SELECT id, person_id, model_id, embedding, digest FROM template ORDER BY id"
    )
    owners = []
    for *row, digest in rows:
        for template, person, blob in open_rows(store.seal, uids, [row], path=store.path):
            if not store.seal.is_digest(digest, uids[person], row[2], blob):
                what = f"template {template} has another's digest"
                raise GalleryFormatError(damaged(store.path, what))
            owners.append((person, row[2]))
    return list(uids), owners
