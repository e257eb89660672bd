"""``python -m edgeface`` is the ``edgeface`` command."""

from __future__ import annotations

import sys

from edgeface.cli import main

if __name__ == "__main__":
    sys.exit(main())
