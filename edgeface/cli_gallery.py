"""``edgeface gallery``: list, remove, export and import people."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from edgeface.cli_output import print_json, print_rows
from edgeface.cli_store import add_gallery_argument, gallery_path, open_gallery, valid_name
from edgeface.configured import open_bundle
from edgeface.gallery import Gallery

_EPILOG = """\
examples:
  edgeface gallery list
  edgeface gallery remove "Ada Lovelace"
  edgeface gallery export people.efg
  edgeface gallery import people.efg

An export holds face templates: treat it like the photos themselves.
exit codes: 0 done, 1 error (nobody of that name, templates of another model), 2 wrong usage
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments and its four actions."""
    parser.epilog = _EPILOG
    add_gallery_argument(parser)
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="everyone enrolled")
    remove = actions.add_parser("remove", help="delete one person")
    remove.add_argument("name", metavar="NAME", type=valid_name)
    export = actions.add_parser("export", help="write everyone to one file")
    export.add_argument("file", metavar="FILE")
    importing = actions.add_parser("import", help="add everyone from an exported file")
    importing.add_argument("file", metavar="FILE")
    for action in (listing, remove, export, importing):
        # "gallery list --json" and "gallery --json list" mean the same.
        action.add_argument("--json", action="store_true", default=argparse.SUPPRESS)
        action.add_argument("--gallery", metavar="FILE", default=argparse.SUPPRESS)
        action.add_argument("--bundle", metavar="FILE", default=argparse.SUPPRESS)


def run(args: argparse.Namespace) -> int:
    """Do one action and return 0."""
    create = args.action == "import"
    with open_gallery(
        args, open_bundle(args.bundle, public_key=args.public_key), create=create
    ) as gallery:
        {"list": _list, "remove": _remove, "export": _export, "import": _import}[args.action](
            args, gallery
        )
    return 0


def _list(args: argparse.Namespace, gallery: Gallery) -> None:
    people = gallery.people()
    if args.json:
        entries = [
            {
                "name": person.name,
                "templates": person.templates,
                "enrolled_at": person.enrolled_at,
            }
            for person in people
        ]
        print_json({"gallery": str(gallery_path(args)), "people": entries})
        return
    print(f"{gallery_path(args)}: {len(people)} people")
    if people:
        header = ("name", "photos", "enrolled at")
        print_rows([header, *((p.name, str(p.templates), p.enrolled_at) for p in people)])


def _remove(args: argparse.Namespace, gallery: Gallery) -> None:
    gallery.remove(args.name)
    _say(args, gallery, f"removed {args.name}", removed=args.name)


def _export(args: argparse.Namespace, gallery: Gallery) -> None:
    gallery.export_file(args.file)
    _say(args, gallery, f"exported {len(gallery)} people to {args.file}", exported=args.file)


def _import(args: argparse.Namespace, gallery: Gallery) -> None:
    report = gallery.import_file(args.file)
    text = (
        f"imported {args.file}: {report.people_added} new people, {report.templates_added} new "
        f"templates, {report.templates_skipped} already there; {len(gallery)} people now"
    )
    _say(args, gallery, text, imported=args.file, **asdict(report))


def _say(args: argparse.Namespace, gallery: Gallery, text: str, **figures: str | int) -> None:
    if args.json:
        print_json({**figures, "people": len(gallery), "gallery": str(gallery_path(args))})
    else:
        print(text)
