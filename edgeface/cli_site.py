"""``edgeface site``: make a site, serve it, and let people and doors in."""

from __future__ import annotations

import argparse
import getpass
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from edgeface.cli_output import UsageError
from edgeface.errors import SiteError
from edgeface.site.acts import leave_act
from edgeface.site.broker_acl import acl_text
from edgeface.site.bulk import import_gallery_file
from edgeface.site.config import SiteConfig, read_config
from edgeface.site.database import Database
from edgeface.site.nearest import build_index
from edgeface.site.site_certificate import make_server_certificate
from edgeface.site.site_new import make_site
from edgeface.site.users import ROLES, Users
from edgeface.site.users_guess import Guesses
from edgeface.site.users_secret import read_site_key

_CONFIG = "/etc/edgeface/site.toml"
_EPILOG = """\
One machine is the site's server; it needs a PostgreSQL with pgvector. Doors run 'edgeface door'
and 'edgeface agent'. docs/site.md begins at the beginning.

examples:
  edgeface site --new site --names site.example,10.0.0.5 --bind 0.0.0.0 --user ada
                                                      a folder with settings, keys, certificates
  edgeface site --config site/site.toml --serve       until stopped
  edgeface site --config site/site.toml --add-user bob --role operator
  edgeface site --config site/site.toml --add-door front --groups staff,night
  edgeface site --config site/site.toml --import-gallery door.efg
                                                      of 'edgeface gallery export', from any door

A password is asked for, or read as the first line of what is piped in.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.epilog = _EPILOG
    parser.add_argument(
        "--config", metavar="FILE", default=_CONFIG, help=f"site.toml (default: {_CONFIG})"
    )
    _add_actions(parser)
    parser.add_argument("--role", choices=ROLES, default="owner", help="of a new user")
    parser.add_argument(
        "--groups", metavar="A,B", default="default", help="whose people a new door knows"
    )
    _add_new_arguments(parser)


def _add_actions(parser: argparse.ArgumentParser) -> None:
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--new", metavar="FOLDER", help="write settings to edit, and keys; stop")
    what.add_argument("--serve", action="store_true", help="serve the console and the API")
    what.add_argument(
        "--check",
        action="store_true",
        help="open everything, say so, and stop; not while it serves",
    )
    what.add_argument("--add-user", metavar="NAME", help="add a user, and show the QR code")
    what.add_argument(
        "--reset-user", metavar="NAME", help="set a new password and authenticator, and enable"
    )
    what.add_argument("--add-door", metavar="NAME", help="add a door, and print its token")
    what.add_argument(
        "--import-gallery", metavar="FILE", help="add everybody of it; again changes nothing"
    )
    what.add_argument(
        "--build-index",
        action="store_true",
        help="of faces: quicker at hundreds of thousands, and misses some; docs/site-large.md",
    )
    what.add_argument(
        "--renew-certificate", action="store_true", help="sign a new server certificate"
    )
    what.add_argument(
        "--broker-acl",
        nargs="*",
        metavar="USER",
        help="print mosquitto's acl_file for the doors' broker; USERs read all of it",
    )


def _add_new_arguments(parser: argparse.ArgumentParser) -> None:
    new = parser.add_argument_group("with --new")
    new.add_argument(
        "--database",
        metavar="CONNINFO",
        default="postgresql:///edgeface",
        help="as libpq reads it (default: postgresql:///edgeface)",
    )
    new.add_argument(
        "--names",
        metavar="A,B",
        default="localhost,127.0.0.1",
        help="how doors and browsers call this machine (default: localhost,127.0.0.1)",
    )
    new.add_argument("--bind", default="127.0.0.1", help="address to listen on (127.0.0.1)")
    new.add_argument("--user", metavar="NAME", help="the first owner; without, add one later")


def run(args: argparse.Namespace) -> int:
    """Do what the arguments ask."""
    if args.new:
        return _new(args)
    config = read_config(args.config)
    if args.serve or args.check:
        return _serve(config, check=args.check)
    if args.broker_acl is not None:
        sys.stdout.write(_broker_acl(config, readers=args.broker_acl))
        return 0
    if args.renew_certificate:
        make_server_certificate(config.base, names=_names(config))
        print(f"{config.base / 'server.pem'}: start the site again to use it")
        return 0
    with _database(config) as database:
        if args.add_door:
            return _add_door(config, database, args)
        if args.build_index:
            build_index(database)
            return 0
        if args.import_gallery:
            return _import_gallery(config, database, args.import_gallery)
        return _add_user(config, database, args)


def _new(args: argparse.Namespace) -> int:
    folder, names = Path(args.new), _split(args.names)
    if not names:
        raise UsageError("--names: expected at least one name")
    for path in make_site(folder, conninfo=args.database, names=names, bind=args.bind):
        print(path)
    if args.user:
        args.add_user, args.role = args.user, "owner"
        config = read_config(folder / "site.toml")
        try:
            with _database(config) as database:
                _add_user(config, database, args)
        except SiteError as error:
            again = f"edgeface site --config {config.path} --add-user {args.user}"
            raise SiteError(f"{error}; the folder is made, go on with '{again}'") from error
    return 0


def _serve(config: SiteConfig, *, check: bool) -> int:
    from edgeface.console.serve import serve
    from edgeface.site.site import Site

    with Site(config) as site:
        if check:
            health = site.health()
            print(f"{config.name}: {health['bundle']}, {health['doors']} doors")
            for fault in health["faults"]:
                print(f"edgeface: {fault}", file=sys.stderr)
            return 1 if health["faults"] else 0
        print(f"edgeface: site {config.name} begins at {_url(config)}/", file=sys.stderr)
        serve(site)
    return 0


def _broker_acl(config: SiteConfig, *, readers: Sequence[str]) -> str:
    table = config.table("mqtt")
    site_user, prefix = table.get("username", "site"), table.get("prefix", "edgeface")
    return acl_text(site_user=site_user, prefix=prefix, readers=readers)


def _add_user(config: SiteConfig, database: Database, args: argparse.Namespace) -> int:
    key = read_site_key(config.file(config.tables["key"]))
    users = Users(database, key=key, site=config.name)
    name = args.add_user or args.reset_user
    password = _password(name)
    if args.add_user:
        uri = users.add(name, password=password, role=args.role)
    else:
        users.change(name, password=password, enabled=True)
        uri = users.renew_authenticator(name)
        Guesses(database).forget(address="", account=name)
    act = "user added" if args.add_user else "user reset"
    leave_act(database, act, by=_by(), detail=name)
    _show(uri)
    return 0


def _show(uri: str) -> None:
    import segno

    print("Scan this with an authenticator app; it is shown once:")
    segno.make(uri, micro=False).terminal(out=sys.stdout, compact=True)
    print(uri)


def _add_door(config: SiteConfig, database: Database, args: argparse.Namespace) -> int:
    from edgeface.site.doors import Doors

    token = Doors(database).add(args.add_door, groups=_split(args.groups), by=_by())
    leave_act(database, "door added", by=_by(), detail=args.add_door)
    print(f"# {args.add_door}.token, mode 0600; it is shown once\n{token}\n")
    print(
        f'# agent.toml\nsite = "{_url(config)}"\nca_file = "ca.pem"\n'
        f'token_file = "{args.add_door}.token"\ndoor_config = "door.toml"\nstate = "agent"'
    )
    return 0


def _import_gallery(config: SiteConfig, database: Database, file: str) -> int:
    from edgeface.site.site import site_people

    people = site_people(config, database)
    moved = import_gallery_file(people, file, by=_by())
    told = f"{moved.people} people, {moved.templates} templates"
    leave_act(database, "gallery imported", by=_by(), detail=told)
    print(f"added {told}")
    return 0


def _password(name: str) -> str:
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    first = getpass.getpass(f"Password of {name}, at least 12 characters: ")
    if getpass.getpass("Again: ") != first:
        raise SiteError("the two passwords differ: try again")
    return first


def _by() -> str:
    return f"shell:{getpass.getuser()}"


def _url(config: SiteConfig) -> str:
    table = config.table("server")
    scheme = "https" if "certificate" in table else "http"
    return f"{scheme}://{_names(config)[0]}:{table.get('port', 8443)}"


def _names(config: SiteConfig) -> list[str]:
    return config.table("server").get("names", ["localhost", "127.0.0.1"])


def _split(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


@contextmanager
def _database(config: SiteConfig) -> Iterator[Database]:
    with Database(config.conninfo, most=2) as database:
        yield database
