"""Bring a kit to a running board and install it there, into the slot that does not run.

The board is looked at first, and a plan printed; then the kit is copied (what is there already is
not copied again), its checksums compared, and install.sh run: it tests the new slot before and
after the switch. If anything fails, the board runs what it ran before. docs/updates.md has more.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from boards.deploy.adb import AdbLink
from boards.deploy.link import Link, ask, watch
from boards.deploy.plan import Plan, make_plan
from boards.deploy.ssh import SshLink
from boards.errors import BoardsError
from boards.slot import HOME

LOOK = Path(__file__).with_name("look.py")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("board", help="ssh://[user@]host[:port] or adb://SERIAL")
    parser.add_argument("--kit", type=Path, required=True, help="folder of `boards kit`")
    parser.add_argument("--identity", type=Path, help="ssh: private key")
    parser.add_argument("--ssh-config", type=Path, help="ssh: in place of ~/.ssh/config")
    parser.add_argument("--root", default="/", help="another root on the board (default /)")
    parser.add_argument("--dry-run", action="store_true", help="look, print the plan, and end")
    parser.add_argument("--keep", action="store_true", help="leave the copied kit on the board")


def run(args: argparse.Namespace) -> int:
    """Look, plan, copy, compare, install, report."""
    kit = args.kit.resolve()
    link = open_link(args)
    board = look(link, kit, root=args.root)
    plan = make_plan(kit, board)
    print_plan(link, kit, board, plan)
    if args.dry_run:
        return 0
    copy(link, kit, board, plan, root=args.root)
    sudo = ["sudo", "-n"] if plan.sudo else []
    code = watch(link, [*sudo, "sh", f"{board['upload']}/install.sh", "--root", args.root])
    if code != 0:
        raise BoardsError(
            f"{link.where}: the kit was not installed (see above; code {code}); the board runs "
            "what it ran before. The copy stays there: the next deploy goes on from it"
        )
    report(
        link, [*sudo, "python3", "-I", f"{args.root.rstrip('/')}/{HOME}/bin/edgeface-slot"], args
    )
    if not args.keep:
        ask(link, ["rm", "-rf", "--", board["upload"]])
    return 0


def open_link(args: argparse.Namespace) -> Link:
    """Return the way that an address names.

    Raises
    ------
    BoardsError
        It is no address of a kind that is known.
    """
    kind, _, rest = args.board.partition("://")
    if kind == "ssh" and rest:
        return SshLink(urlsplit(args.board), identity=args.identity, config=args.ssh_config)
    if kind == "adb" and rest:
        return AdbLink(rest)
    raise BoardsError(f"{args.board!r}: expected ssh://[user@]host[:port] or adb://SERIAL")


def look(link: Link, kit: Path, *, root: str) -> dict[str, Any]:
    """Return what is on the board, by `look.py` run there."""
    printed = ask(link, ["python3", "-I", "-", kit.name, root], given=LOOK.read_text("utf-8"))
    try:
        return json.loads(printed.strip().splitlines()[-1])
    except (ValueError, IndexError) as error:
        raise BoardsError(
            f"{link.where}: its shell prints other things than the program that looks: "
            f"{printed[:200]!r}; a login that prints nothing is needed"
        ) from error


def print_plan(link: Link, kit: Path, board: dict[str, Any], plan: Plan) -> None:
    """Print what is about to happen."""
    model = board["compatible"][0] if board["compatible"] else "no device tree"
    print(f"{link.where}: {board['machine']}, {model}, Python {board['python']}")
    resumed = sum(part.present_bytes > 0 for part in plan.parts)
    print(
        f"  copy {len(plan.parts)} files, {plan.send_bytes / 1e6:.1f} MB, to {board['upload']}"
        + (f" ({resumed} of them from where they were cut off)" if resumed else "")
    )
    print(f"  install {kit.name}{' by sudo' if plan.sudo else ''}", flush=True)


def copy(link: Link, kit: Path, board: dict[str, Any], plan: Plan, *, root: str) -> None:
    """Copy what the board lacks, and compare all of it there.

    Raises
    ------
    BoardsError
        The way broke, or something else arrived than was sent.
    """
    upload = board["upload"]
    folders = sorted({str(Path(upload, part.name).parent) for part in plan.parts} | {upload})
    ask(link, ["mkdir", "-p", "--", *folders])
    if plan.stale:
        ask(link, ["rm", "-f", "--", *(f"{upload}/{name}" for name in plan.stale)])
    if plan.parts:
        link.send(kit, plan.parts, upload=upload)
    left = make_plan(kit, look(link, kit, root=root))
    if left.parts or left.stale:
        names = [part.name for part in left.parts] + list(left.stale)
        raise BoardsError(
            f"{link.where}: {', '.join(names[:5])} did not arrive as sent: deploy again; nothing "
            "was installed"
        )


def report(link: Link, tool: list[str], args: argparse.Namespace) -> None:
    """Print what the board says it runs now."""
    state = json.loads(ask(link, [*tool, "status", "--json", "--root", args.root]))
    slot = state["slots"][state["current"]]
    print(
        f"{link.where}: slot {state['current']} runs edgeface {slot['version']}, self-test passed"
    )
