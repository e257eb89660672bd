"""``edgeface audit``: verify, show and export a door's log, and make its key."""

from __future__ import annotations

import argparse
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from edgeface.cli_audit_text import entry_text, report_text
from edgeface.cli_output import UsageError, print_json
from edgeface.cli_store import open_gallery
from edgeface.configured import open_bundle
from edgeface.door.audit_entry import SCHEMAS, encode
from edgeface.door.audit_export import export_lines, proof_path, write_csv, write_jsonl
from edgeface.door.audit_key import AuditKey, make_audit_key, public_path
from edgeface.door.audit_read import Filter, follow_entries, log_end, read_entries
from edgeface.door.audit_verify import verify_export, verify_log
from edgeface.door.event import Reason
from edgeface.errors import AuditError, BundleSignatureError
from edgeface.signature import load_public_keys

_EPILOG = """\
examples:
  edgeface audit key /etc/edgeface/audit.pem
  edgeface audit verify /var/lib/edgeface/audit --public-key audit.pub.pem
  edgeface audit show /var/lib/edgeface/audit --since 2h --reason unknown
  edgeface audit show /var/lib/edgeface/audit --key audit.pem --gallery gallery.db --follow
  edgeface audit export /var/lib/edgeface/audit --person p-8f232bd879d42cea --out ada.jsonl
  edgeface audit verify ada.jsonl --public-key audit.pub.pem

LOG is the folder that door.toml names in [audit] path. docs/audit.md says what a log proves.
exit codes: 0 done, 1 error (a log that is not whole), 2 wrong usage
"""
_AGO = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's four actions."""
    parser.epilog = _EPILOG
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    key = actions.add_parser("key", help="make the key that signs, and its public key")
    key.add_argument("file", metavar="KEY.pem", type=Path)
    verify = actions.add_parser("verify", help="is a log, or an export of one, whole?")
    verify.add_argument("log", metavar="LOG", type=Path)
    verify.add_argument(
        "--public-key", metavar="PEM", help="the door's public key, or a folder of several"
    )
    verify.add_argument(
        "--chain-only", action="store_true", help="without the public key: signatures unchecked"
    )
    verify.add_argument(
        "--witness", metavar="FILE", type=Path, help="signed lines of the log, kept elsewhere"
    )
    show = actions.add_parser("show", help="print entries")
    show.add_argument("log", metavar="LOG", type=Path)
    show.add_argument("--last", metavar="N", type=int, help="only the last N of them")
    show.add_argument("--follow", action="store_true", help="then wait for new ones")
    export = actions.add_parser("export", help="write entries, with a proof, for somebody else")
    export.add_argument("log", metavar="LOG", type=Path)
    export.add_argument("--out", metavar="FILE", type=Path, required=True)
    export.add_argument("--format", choices=("jsonl", "csv"), default="jsonl")
    for action in (show, export):
        _add_filters(action)
    for action in (key, verify, show, export):
        action.add_argument("--json", action="store_true", default=argparse.SUPPRESS)


def _add_filters(action: argparse.ArgumentParser) -> None:
    when = "2030-01-31, 2030-01-31T08:00 (UTC without an offset), or 90s, 15m, 2h, 3d ago"
    action.add_argument("--since", metavar="TIME", type=_moment, help=f"from then on: {when}")
    action.add_argument("--until", metavar="TIME", type=_moment, help="until then")
    action.add_argument("--person", metavar="NAME", help="name, or pseudonym as the log has it")
    action.add_argument("--reason", choices=sorted(reason.value for reason in Reason))
    action.add_argument("--kind", choices=sorted(SCHEMAS))
    action.add_argument(
        "--key", metavar="PEM", type=Path, help="the log's key: finds the person of --person, and "
        "with --gallery names those whom pseudonyms stand for"
    )  # fmt: skip
    action.add_argument("--gallery", metavar="FILE", help="who could be meant")
    action.add_argument("--bundle", metavar="FILE", default=argparse.SUPPRESS)


def run(args: argparse.Namespace) -> int:
    """Do one action and return its exit code."""
    actions = {"key": _key, "verify": _verify, "show": _show, "export": _export}
    return actions[args.action](args)


def _key(args: argparse.Namespace) -> int:
    made = make_audit_key(args.file)
    public = public_path(args.file)
    if args.json:
        print_json({"key": str(args.file), "public_key": str(public), "key_id": made.id})
    else:
        print(f"key {made.id}: {args.file} for the door only, {public} for those who verify")
    return 0


def _verify(args: argparse.Namespace) -> int:
    if (args.public_key is None) != args.chain_only:
        raise UsageError("give --public-key PEM, or --chain-only to leave signatures unchecked")
    keys = None if args.chain_only else _public_keys(args.public_key)
    if args.log.is_file():
        report = verify_export(args.log, keys=keys)
    else:
        witness = args.witness.read_bytes().splitlines() if args.witness else ()
        report = verify_log(args.log, keys=keys, witness=witness)
    if args.json:
        print_json({"whole": report.whole, **asdict(report)})
    else:
        print(report_text(report, str(args.log)))
    return 0 if report.whole else 1


def _public_keys(place: str) -> dict[str, Any]:
    try:
        return load_public_keys(place)
    except BundleSignatureError as error:
        raise AuditError(f"the log cannot be verified: {error}") from error


def _show(args: argparse.Namespace) -> int:
    chosen, names = _filter(args), _names(args)
    damaged: list[str] = []
    end, seen = log_end(args.log), deque([0], maxlen=1)  # what is written while we print is new
    found = _noted(read_entries(args.log, broken=damaged.append), seen)
    fitting = (entry for entry in found if chosen.fits(entry))
    _print(fitting if args.last is None else deque(fitting, max(0, args.last)), names, args)
    if args.follow:
        new = follow_entries(args.log, start=end, broken=damaged.append)
        _print((e for e in new if e["seq"] > seen[0] and chosen.fits(e)), names, args)
    if damaged:
        print(
            f"edgeface: {len(damaged)} lines are no whole entries, first: {damaged[0]}; "
            "'edgeface audit verify' says more",
            file=sys.stderr,
        )
    return 1 if damaged else 0


def _noted(entries: Iterable[dict[str, Any]], seen: deque[int]) -> Iterator[dict[str, Any]]:
    """Pass entries on, and note the number of the last."""
    for entry in entries:
        seen.append(entry["seq"])
        yield entry


def _print(
    entries: Iterable[dict[str, Any]], names: dict[str, str], args: argparse.Namespace
) -> None:
    for entry in entries:
        named = {**entry, **{k: names.get(entry[k], entry[k]) for k in _people(entry)}}
        # A line each, so that a reader can follow.
        print(encode(named).decode("ascii") if args.json else entry_text(named), flush=True)


def _people(entry: dict[str, Any]) -> Iterator[str]:
    return (key for key in ("person", "with_person") if entry.get(key) is not None)


def _export(args: argparse.Namespace) -> int:
    chosen = _filter(args)
    damaged: list[str] = []
    entries = list(read_entries(args.log, broken=damaged.append))
    if damaged:
        raise AuditError(f"the log is not whole ({damaged[0]}): 'edgeface audit verify' says more")
    lines, shown = export_lines(entries, chosen)
    if not shown:
        raise AuditError("no entry fits: nothing was written")
    table = args.format == "csv"
    proof = proof_path(args.out) if table else args.out
    if table:
        write_csv((entry for entry in entries if chosen.fits(entry)), args.out)
    write_jsonl(lines, proof)
    if args.json:
        print_json({"entries": shown, "out": str(args.out), "proof": str(proof)})
    else:
        print(f"{shown} entries in {args.out}; proof in {proof}: edgeface audit verify {proof}")
    return 0


def _filter(args: argparse.Namespace) -> Filter:
    people = None
    if args.person is not None:
        people = {args.person}
        if args.key is not None:
            people.add(AuditKey.load(args.key).pseudonym(args.person))
    return Filter(
        since=args.since,
        until=args.until,
        people=None if people is None else frozenset(people),
        reason=args.reason,
        kind=args.kind,
    )


def _names(args: argparse.Namespace) -> dict[str, str]:
    """Pseudonym -> name of everybody in the gallery; empty without one."""
    if args.gallery is None:
        return {}
    if args.key is None:
        raise UsageError("--gallery needs --key: pseudonyms are by the log's key")
    key = AuditKey.load(args.key)
    with open_gallery(args, open_bundle(args.bundle, public_key=args.public_key)) as gallery:
        return {key.pseudonym(person.name): person.name for person in gallery.people()}


def _moment(text: str) -> datetime:
    """Parse a time, for argparse: ISO 8601, or so long ago."""
    try:
        if text[-1:] in _AGO and text[:-1].isdecimal():
            return datetime.now(timezone.utc) - timedelta(**{_AGO[text[-1]]: int(text[:-1])})
        found = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except (ValueError, OverflowError) as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no time: {error}") from error
    return found if found.tzinfo else found.replace(tzinfo=timezone.utc)
