"""Options that say what is known of a person beside the face."""

from __future__ import annotations

import argparse
from typing import Any

from edgeface.cli_output import UsageError
from edgeface.gallery import Person
from edgeface.gallery_person import now


def add_person_arguments(parser: argparse.ArgumentParser) -> None:
    """Add ``--consent``, ``--expires``, ``--groups``, ``--card``, ``--block``, ``--unblock``."""
    parser.add_argument(
        "--consent", metavar="TIME", help="when the person agreed: now, or as 2026-01-31; or none"
    )
    parser.add_argument(
        "--expires",
        metavar="TIME",
        help="not recognised from then on: 2026-12-31 (from its first moment, UTC), "
        "2026-12-31T18:00:00Z, or none",
    )
    parser.add_argument(
        "--groups", metavar="A,B", help="groups, for a door's schedules; '' for none"
    )
    parser.add_argument(
        "--card", metavar="F:N", help="card number as facility:number, as 12:34567; or none"
    )
    blocked = parser.add_mutually_exclusive_group()
    blocked.add_argument("--block", action="store_true", help="recognise, and never let in")
    blocked.add_argument("--unblock", action="store_true", help="let in again")


def person_changes(args: argparse.Namespace) -> dict[str, Any]:
    """Return what the options of `add_person_arguments` set, as `Gallery.describe` takes it."""
    changes: dict[str, Any] = {}
    if args.consent is not None:
        changes["consent_at"] = now() if args.consent == "now" else _unless_none(args.consent)
    if args.expires is not None:
        changes["expires_at"] = _unless_none(args.expires)
    if args.groups is not None:
        changes["groups"] = tuple(group for group in args.groups.split(",") if group)
    if args.card is not None:
        changes["card"] = _card(args.card)
    if args.block or args.unblock:
        changes["blocked"] = args.block
    return changes


def person_figures(person: Person) -> dict[str, Any]:
    """Return a person as plain JSON values."""
    return {
        "name": person.name,
        "templates": person.templates,
        "enrolled_at": person.enrolled_at,
        "consent_at": person.consent_at,
        "expires_at": person.expires_at,
        "groups": list(person.groups),
        "card": person.card and list(person.card),
        "blocked": person.blocked,
        "needs_enrolment": person.needs_enrolment,
    }


def person_text(person: Person) -> str:
    """Return a person's own data in a few words; "" when nothing is set."""
    parts = [
        "blocked" if person.blocked else "",
        "must be enrolled again" if person.needs_enrolment else "",
        f"expires {person.expires_at}" if person.expires_at else "",
        ", ".join(person.groups),
        f"card {person.card[0]}:{person.card[1]}" if person.card else "",
        f"agreed {person.consent_at}" if person.consent_at else "",
    ]
    return "; ".join(part for part in parts if part)


def _unless_none(text: str) -> str | None:
    return None if text == "none" else text


def _card(text: str) -> tuple[int, int] | None:
    if text == "none":
        return None
    facility, _, number = text.partition(":")
    try:
        return (int(facility), int(number))
    except ValueError as error:
        raise UsageError(f"--card is {text!r}; expected facility:number, as 12:34567") from error
