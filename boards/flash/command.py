"""Write an image to a card, or to a board over USB. Prints what it would run, unless --write.

--device is what the tool calls it: /dev/sdX for dd and bmaptool, the LocationID that `rkdeveloptool
ld` prints, spinor or spinand for xfel. Disks in use are refused. docs/flashing.md has examples.
"""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import Any

from boards.errors import BoardsError
from boards.facts import board_facts, board_names
from boards.flash.allwinner import XfelWriter
from boards.flash.card import CardWriter
from boards.flash.rockchip import RockchipWriter
from boards.flash.writer import Writer
from boards.tool import run_tool


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("--board", required=True, help=", ".join(board_names()))
    parser.add_argument("--image", type=Path, required=True, help="image of `boards image`")
    parser.add_argument("--device", required=True, help="where to: nothing is ever guessed")
    parser.add_argument("--tool", help="dd, bmaptool, rkdeveloptool, upgrade_tool or xfel")
    parser.add_argument(
        "--loader", type=Path, help="Rockchip's loader, for a board in Maskrom mode"
    )
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--write", action="store_true", help="do it, and verify")
    mode.add_argument("--dry-run", action="store_true", help="print the commands (the default)")
    parser.add_argument(
        "--fixed-disk", action="store_true", help="the device is meant, though not removable"
    )


def run(args: argparse.Namespace) -> int:
    """Check, print the commands, and with --write run them and verify."""
    if not args.image.is_file() or args.image.stat().st_size == 0:
        raise BoardsError(f"{args.image}: no such file, or empty; --image takes a raw disk image")
    facts = board_facts(args.board)
    tool = args.tool or facts["flash"]["tool"]
    writer = open_writer(args, facts, tool)
    print(f"{args.image} ({args.image.stat().st_size >> 20} MiB) -> {writer.where}", flush=True)
    for words in [*writer.commands(), *writer.afterwards()]:
        print(f"  {shlex.join(words)}", flush=True)
    if not args.write:
        print(
            "nothing was written; add --write to run this. All that is on the device is lost then"
        )
        return 0
    writer.write()
    print(f"verified: {writer.verify()}", flush=True)
    for words in writer.afterwards():
        run_tool(words)
    return 0


def open_writer(args: argparse.Namespace, facts: dict[str, Any], tool: str) -> Writer:
    """The writer of a tool, its image and device checked.

    Raises
    ------
    BoardsError
        The board is not flashed by this tool, or the writer refuses.
    """
    flash = facts["flash"]
    if tool not in flash["tools"]:
        raise BoardsError(
            f"{args.board} is not flashed by {tool}; expected one of {', '.join(flash['tools'])}"
        )
    if tool in ("rkdeveloptool", "upgrade_tool"):
        usb, loader = flash["usb"], args.loader
        return RockchipWriter(args.image, args.device, tool=tool, usb=usb, loader=loader)
    if tool == "xfel":
        return XfelWriter(args.image, args.device, board=args.board)
    return CardWriter(args.image, args.device, tool=tool, fixed=args.fixed_disk)
