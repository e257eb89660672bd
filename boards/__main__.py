"""``python -m boards``: wheels, kits, inventories, disk images, flashing and updates."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

from boards.errors import BoardsError

# Each module has add_arguments(parser) and run(args) -> exit code; only the named one is imported.
COMMANDS = {
    "wheels": ("boards.wheels.command", "cross-build edgeface's manylinux2014 wheels"),
    "kit": ("boards.kit.command", "everything one board needs, to install without a network"),
    "inventory": ("boards.inventory.command", "bills of materials, and advisories for them"),
    "image": ("boards.image.command", "put a kit into a Debian or Ubuntu disk image, without root"),
    "flash": ("boards.flash.command", "write an image to a board or card (prints the commands)"),
    "deploy": ("boards.deploy.command", "bring a kit to a running board, by ssh or adb"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code: 0 done, 1 an error, 2 usage."""
    words = list(sys.argv[1:] if argv is None else argv)
    if not words or words[0] not in COMMANDS:
        listed = "\n".join(f"  {n:9} {text}" for n, (_, text) in COMMANDS.items())
        print(f"usage: python -m boards COMMAND [--help]\n\ncommands:\n{listed}")
        return 0 if words in (["-h"], ["--help"]) else 2
    command = importlib.import_module(COMMANDS[words[0]][0])
    parser = argparse.ArgumentParser(
        f"python -m boards {words[0]}",
        description=command.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_arguments(parser)
    try:
        return command.run(parser.parse_args(words[1:]))
    except (BoardsError, OSError) as error:
        print(f"boards: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("boards: interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
