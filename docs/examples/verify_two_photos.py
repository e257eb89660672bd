"""Are these two photos of one person?   python verify_two_photos.py A.jpg B.jpg"""

import sys

import edgeface

with edgeface.Pipeline.open() as pipeline:
    first, second = (edgeface.read_image(path) for path in sys.argv[1:3])
    result = pipeline.verify(first, second)

print("same person" if result.same else "different people")
print(f"cosine {result.score:.3f}, threshold {result.threshold:.3f}")
