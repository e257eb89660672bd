"""``edgeface gallery``'s actions that keep a gallery: own data, erasure, backups, keys, models."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import Any

from edgeface.cli_output import UsageError, print_json
from edgeface.cli_person import person_changes, person_figures, person_text
from edgeface.cli_store import chosen_key, gallery_path
from edgeface.container import replacing
from edgeface.gallery import Gallery, Receipt
from edgeface.gallery_key import write_key_file


def say(args: argparse.Namespace, gallery: Gallery, text: str, **figures: Any) -> None:
    """Print what was done: figures with --json, else the text."""
    if args.json:
        print_json({**figures, "people": len(gallery), "gallery": str(gallery_path(args))})
    else:
        print(text)


def new_key(args: argparse.Namespace) -> int:
    """Make a key file and return 0."""
    write_key_file(args.file)
    if args.json:
        print_json({"key": args.file})
    else:
        print(f"made {args.file}: keep a copy elsewhere; without it nobody reads the gallery")
    return 0


def _describe(args: argparse.Namespace, gallery: Gallery) -> None:
    try:
        changes = person_changes(args)
        if not changes:
            raise UsageError("nothing to set: give --consent, --expires, --groups, --card, …")
        person = gallery.describe(args.name, **changes)
    except ValueError as error:
        raise UsageError(error) from error
    if args.json:
        print_json(person_figures(person))
    else:
        print(f"{person.name}: {person_text(person) or 'nothing set'}")


def _erase(args: argparse.Namespace, gallery: Gallery) -> None:
    receipt = gallery.erase(args.name)
    if args.receipt:
        with replacing(Path(args.receipt), mode=0o600) as temporary:
            temporary.write_text(receipt.to_json() + "\n", encoding="utf-8")
    if args.json:
        print_json(asdict(receipt))
        return
    print(f"erased {args.name}: {receipt.templates} template(s); receipt {receipt.head}")
    for path, made_at in receipt.backups:
        print(f"  may be in the backup {path} of {made_at}: delete it")


def _erasures(args: argparse.Namespace, gallery: Gallery) -> None:
    receipts = gallery.erasures()
    if args.json:
        print_json({"erasures": [asdict(receipt) for receipt in receipts]})
        return
    print(f"{gallery_path(args)}: {len(receipts)} erased")
    for receipt in receipts:
        print(f"  {_receipt_text(receipt)}")


def _receipt_text(receipt: Receipt) -> str:
    return f"{receipt.erased_at}  {receipt.templates} template(s)  receipt {receipt.head}"


def _export_person(args: argparse.Namespace, gallery: Gallery) -> None:
    gallery.export_person(args.name, args.file, templates=args.templates)
    say(args, gallery, f"exported {args.name} to {args.file}", exported=args.file)


def _backup(args: argparse.Namespace, gallery: Gallery) -> None:
    gallery.backup(args.file)
    how = "encrypted by the same key" if gallery.encrypted else "not encrypted"
    say(args, gallery, f"copied {len(gallery)} people to {args.file}, {how}", backup=args.file)


def _check(args: argparse.Namespace, gallery: Gallery) -> None:
    found = gallery.check()
    if args.json:
        print_json({**asdict(found), "gallery": str(gallery_path(args))})
        return
    print(f"{gallery_path(args)}: whole; {'encrypted' if found.encrypted else 'not encrypted'}")
    print(
        f"  {found.people} people, {found.templates} templates, {found.needing_enrolment} to be "
        f"enrolled again, {found.erasures} erased"
    )
    if found.traces:
        print("  deleted templates may still be in free space: close all programs that use it")


def _encrypt(args: argparse.Namespace, gallery: Gallery) -> None:
    key = chosen_key(args)
    if key is None:
        raise UsageError("no key: give --key FILE; make one with: edgeface gallery new-key FILE")
    gallery.encrypt(key)
    readable = [path for path, _ in gallery.backups()]
    text = f"encrypted {len(gallery)} people; exports and backups made before are readable still"
    say(args, gallery, "\n  ".join([text, *readable]), encrypted=True, readable_backups=readable)


def _rekey(args: argparse.Namespace, gallery: Gallery) -> None:
    key = chosen_key(args, "new_key")
    if key is None:
        raise UsageError("no new key: give --new-key FILE (or -command, -passphrase-env)")
    gallery.rekey(key, reseal_rows=args.reseal)
    say(args, gallery, "the gallery opens with the new key only", rekeyed=True)


def _migrate(args: argparse.Namespace, gallery: Gallery) -> None:
    waiting = sum(person.needs_enrolment for person in gallery.people())
    text = f"of model {gallery.model_id} now; {waiting} of {len(gallery)} must be enrolled again"
    say(args, gallery, text, model_id=gallery.model_id, needing_enrolment=waiting)


def _drop_replaced(args: argparse.Namespace, gallery: Gallery) -> None:
    dropped = gallery.drop_replaced()
    say(args, gallery, f"deleted {dropped} templates of other models", dropped=dropped)


HANDLERS = {
    "describe": _describe,
    "erase": _erase,
    "erasures": _erasures,
    "export-person": _export_person,
    "backup": _backup,
    "check": _check,
    "encrypt": _encrypt,
    "rekey": _rekey,
    "migrate": _migrate,
    "drop-replaced": _drop_replaced,
}
