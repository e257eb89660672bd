"""Who is in this photo?   python identify.py GROUP.jpg NAME=PORTRAIT.jpg [NAME=PORTRAIT.jpg ...]"""

import sys

import edgeface

group, *portraits = sys.argv[1:]

with edgeface.Pipeline.open() as pipeline:
    bundle = pipeline.bundle
    with edgeface.Gallery.open("people.db", model_id=bundle.model_id) as gallery:
        for portrait in portraits:
            name, path = portrait.split("=", 1)
            gallery.enroll(name, pipeline.embedding(edgeface.read_image(path))[None])

        for face in pipeline.analyze(edgeface.read_image(group)):
            found = gallery.identify(
                face.embedding,
                threshold=bundle.threshold(),
                margin=bundle.manifest["thresholds"]["margin"],
            )
            print(found.identity or "unknown", f"{found.score:.3f}", found.reason)
