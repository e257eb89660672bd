"""Encrypting a gallery, and exchanging its keys: each in the caller's one transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from edgeface.gallery_cipher import Sealed
from edgeface.gallery_key import GalleryKey
from edgeface.gallery_load import open_rows, read_people
from edgeface.gallery_seal import RowSeal
from edgeface.gallery_store import SITE, GalleryStore
from edgeface.gallery_wrap import new_data_key, unwrap, wrap

_ROWS_AT_ONCE = 256


def rewrap(store: GalleryStore, key: GalleryKey) -> None:
    """Seal the data key with another key; the rows stay as they are."""
    gallery_id = store.settings["gallery_id"]
    data_key = unwrap(store.settings["key"], store.key, gallery_id=gallery_id, path=store.path)
    store.set("key", wrap(data_key, key, gallery_id=gallery_id))
    store.ask_to_scrub()


def reseal(store: GalleryStore, key: GalleryKey) -> None:
    """Seal every row anew with a new data key, which ``key`` opens from now on."""
    gallery_id = store.settings["gallery_id"]
    data_key = new_data_key()
    old, new = store.seal, RowSeal(Sealed(data_key), gallery_id)
    uids = {}
    for number, uid, record in read_people(store.db, old, path=store.path):
        uids[number] = uid
        row = (new.name_tag(record.name), new.seal_record(uid, record), number)
        store.db.execute("UPDATE person SET tag = ?, record = ? WHERE id = ?", row)
    for rows in _portions(store.db):
        models = {row[0]: row[2] for row in rows}
        for template, person, blob in open_rows(old, uids, rows, path=store.path):
            sealed = new.seal_template(uids[person], models[template], blob)
            sql = "UPDATE template SET embedding = ?, digest = ? WHERE id = ?"
            store.db.execute(sql, (*sealed, template))
    store.set("receipt_key", new.seal_receipt_key(store.receipt_key()))
    if SITE in store.settings:
        store.set(SITE, new.seal_site(old.open_site(store.settings[SITE])))
    store.set("key", wrap(data_key, key, gallery_id=gallery_id))
    store.ask_to_scrub()


def _portions(db: sqlite3.Connection) -> Iterator[list[tuple]]:
    last = 0
    while True:
        rows = db.execute(
            "SELECT id, person_id, model_id, embedding FROM template WHERE id > ? ORDER BY id "
            "LIMIT ?",
            (last, _ROWS_AT_ONCE),
        ).fetchall()
        if not rows:
            return
        yield rows
        last = rows[-1][0]
