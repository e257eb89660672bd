"""``python -m tests.fuzz.run TARGET``: fuzz a target with atheris; it ends at the first finding.

The corpus stays in build/fuzz/TARGET. A finding is a file build/fuzz/TARGET-crash-…: move it to
tests/fuzz/found/TARGET/, where the tests replay it, and mend what it found.
"""

from __future__ import annotations

import argparse
import sys
from hashlib import sha1
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["edgeface", "zipfile", "json", "tomllib"]):
    from tests.fuzz.targets import TARGETS, inputs

BUILD = Path("build/fuzz")


def main() -> None:
    """Fuzz as the command line says."""
    parser = argparse.ArgumentParser(description="Fuzz a parser of strangers' bytes.")
    parser.add_argument("target", choices=sorted(TARGETS))
    parser.add_argument("--minutes", type=float, default=10.0)
    args = parser.parse_args()
    corpus = BUILD / args.target
    corpus.mkdir(parents=True, exist_ok=True)
    for data in inputs(args.target):
        (corpus / sha1(data).hexdigest()).write_bytes(data)
    options = [
        f"-max_total_time={round(args.minutes * 60)}",
        f"-artifact_prefix={BUILD}/{args.target}-",
        "-timeout=10",
        "-rss_limit_mb=2048",
        "-max_len=16384",
        "-print_final_stats=1",
        "-verbosity=1",
    ]
    atheris.Setup([sys.argv[0], *options, str(corpus)], TARGETS[args.target].check)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
