"""``edgeface gallery``: people, erasure, exports, backups, keys."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from edgeface import cli_gallery_keep as keep
from edgeface.cli_output import print_json, print_rows
from edgeface.cli_person import add_person_arguments, person_figures, person_text
from edgeface.cli_store import (
    add_gallery_argument,
    add_key_arguments,
    gallery_path,
    open_gallery,
    valid_name,
)
from edgeface.configured import open_bundle
from edgeface.gallery import Gallery

_EPILOG = """\
examples:
  edgeface gallery list
  edgeface gallery describe "Ada Lovelace" --consent now --groups staff --card 12:34567
  edgeface gallery export-person "Ada Lovelace" ada.json
  edgeface gallery erase "Ada Lovelace" --receipt ada-receipt.json
  edgeface gallery new-key /etc/edgeface/gallery.key
  EDGEFACE_GALLERY_KEY=/etc/edgeface/gallery.key edgeface gallery encrypt
  edgeface gallery backup /mnt/backup/gallery.db

An export holds face templates, and is not encrypted: treat it like the photos themselves. A backup
is encrypted where the gallery is, by the same key.
exit codes: 0 done, 1 error (nobody of that name, templates of another model), 2 wrong usage
"""

_ACTIONS = {
    "list": "everyone enrolled",
    "describe": "set a person's consent, expiry, groups, card; block or unblock",
    "remove": "delete one person",
    "erase": "delete one person with proof: overwritten, with a receipt",
    "erasures": "receipts of everyone erased",
    "export-person": "everything about one person as JSON, for that person",
    "export": "write everyone to one file",
    "import": "add everyone from an exported file",
    "backup": "copy the gallery while it is in use",
    "check": "read everything: is it whole?",
    "new-key": "make a random key in a new file",
    "encrypt": "encrypt the gallery with --key",
    "rekey": "exchange the key",
    "migrate": "take the gallery over for this bundle's model; nobody is deleted",
    "drop-replaced": "delete other models' templates of those enrolled again",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments and its actions."""
    parser.epilog = _EPILOG
    add_gallery_argument(parser)
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, text in _ACTIONS.items():
        action = actions.add_parser(name, help=text, description=text[0].upper() + text[1:])
        _add_own_arguments(name, action)
        # "gallery list --json" and "gallery --json list" mean the same.
        action.add_argument("--json", action="store_true", default=argparse.SUPPRESS)
        action.add_argument("--bundle", metavar="FILE", default=argparse.SUPPRESS)
        add_gallery_argument(action, default=argparse.SUPPRESS)


def _add_own_arguments(name: str, action: argparse.ArgumentParser) -> None:
    if name in ("describe", "remove", "erase", "export-person"):
        action.add_argument("name", metavar="NAME", type=valid_name)
    if name in ("export", "import", "backup", "export-person", "new-key"):
        action.add_argument("file", metavar="FILE")
    if name == "describe":
        add_person_arguments(action)
    elif name == "erase":
        action.add_argument("--receipt", metavar="FILE", help="write the receipt there as JSON")
    elif name == "export-person":
        action.add_argument(
            "--templates", action="store_true", help="with the templates' numbers themselves"
        )
    elif name == "rekey":
        add_key_arguments(action, "new-key", "from now on")
        action.add_argument(
            "--reseal",
            action="store_true",
            help="encrypt every row anew, so that the old key opens no copy made from now on",
        )


def run(args: argparse.Namespace) -> int:
    """Do one action and return 0."""
    if args.action == "new-key":
        return keep.new_key(args)
    handlers = {"list": _list, "remove": _remove, "export": _export, "import": _import}
    with open_gallery(
        args,
        open_bundle(args.bundle, public_key=args.public_key),
        create=args.action == "import",
        with_key=args.action != "encrypt",
        migrate=args.action == "migrate",
    ) as gallery:
        {**handlers, **keep.HANDLERS}[args.action](args, gallery)
    return 0


def _list(args: argparse.Namespace, gallery: Gallery) -> None:
    people = gallery.people()
    if args.json:
        entries = [person_figures(person) for person in people]
        print_json({"gallery": str(gallery_path(args)), "people": entries})
        return
    print(f"{gallery_path(args)}: {len(people)} people")
    if people:
        rows = [(p.name, str(p.templates), p.enrolled_at, person_text(p)) for p in people]
        print_rows([("name", "photos", "enrolled at", ""), *rows])
    waiting = sum(person.needs_enrolment for person in people)
    if waiting:
        print(f"{waiting} must be enrolled again: they have templates of another model only")


def _remove(args: argparse.Namespace, gallery: Gallery) -> None:
    gallery.remove(args.name)
    keep.say(args, gallery, f"removed {args.name}", removed=args.name)


def _export(args: argparse.Namespace, gallery: Gallery) -> None:
    gallery.export_file(args.file)
    text = f"exported {len(gallery)} people to {args.file}, not encrypted"
    keep.say(args, gallery, text, exported=args.file)


def _import(args: argparse.Namespace, gallery: Gallery) -> None:
    report = gallery.import_file(args.file)
    text = (
        f"imported {args.file}: {report.people_added} new people, {report.templates_added} new "
        f"templates, {report.templates_skipped} already there; {len(gallery)} people now"
    )
    keep.say(args, gallery, text, imported=args.file, **asdict(report))
