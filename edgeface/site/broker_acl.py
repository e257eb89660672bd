"""Who may say what on the site's broker: mosquitto's acl_file."""

from __future__ import annotations

from collections.abc import Sequence

SITE_USER = "site"
PREFIX = "edgeface"


def acl_text(
    *,
    site_user: str = SITE_USER,
    prefix: str = PREFIX,
    discovery_prefix: str | None = "homeassistant",
    readers: Sequence[str] = (),
) -> str:
    """Return an acl_file: a door, whose user is its name, writes below its own topics only.

    Doors read nothing. New doors need no change of it.

    Parameters
    ----------
    site_user
        Who the site's collector is; it reads what doors say, and writes nothing.
    prefix
        First level of the doors' topics.
    discovery_prefix
        Home Assistant's; None where doors tell it nothing.
    readers
        More users who may read all of it, such as Home Assistant's.
    """
    lines = ["# Made by edgeface: doors write their own topics and read nothing.", ""]
    lines += [f"user {site_user}", f"topic read {prefix}/+/log", f"topic read {prefix}/+/key", ""]
    for reader in readers:
        lines += [f"user {reader}", f"topic read {prefix}/#"]
        lines += [f"topic read {discovery_prefix}/#"] * (discovery_prefix is not None) + [""]
    lines += [f"pattern write {prefix}/%u/#"]
    if discovery_prefix is not None:
        lines += [f"pattern write {discovery_prefix}/+/%u/+/config"]
    return "\n".join(lines) + "\n"
