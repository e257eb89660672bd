"""Somebody comes, agrees, and leaves for good:   python door_people.py FOLDER NAME PHOTO...

FOLDER is a door's, made by `edgeface door --new FOLDER`.
"""

import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np

import edgeface
from edgeface.gallery_key import GalleryKey

folder, name, *photos = sys.argv[1:]
folder = Path(folder)
today = datetime.now(timezone.utc)

with edgeface.Pipeline.open() as pipeline:
    embeddings = np.stack([pipeline.embedding(edgeface.read_image(photo)) for photo in photos])
    model = pipeline.bundle.model_id

key = GalleryKey.from_file(folder / "gallery.key")
with edgeface.Gallery.open(folder / "gallery.db", model_id=model, key=key) as gallery:
    gallery.enroll(
        name,
        embeddings,
        consent_at=today,
        expires_at=today + timedelta(days=365),
        groups=("staff",),
    )
    print(f"enrolled: {len(gallery)} people, {len(photos)} templates of {name}")
    gallery.export_person(name, folder / "about_me.json")  # what the person may ask for
    receipt = gallery.erase(name)
    print(f"erased: {receipt.templates} templates, receipt {receipt.head[:16]}")
