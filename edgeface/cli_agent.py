"""``edgeface agent``: bring a door together with its site."""

from __future__ import annotations

import argparse
import sys
import threading

from edgeface.agent.assemble import open_agent, open_fleet, order_file
from edgeface.agent.config import AgentConfig, read_agent_config
from edgeface.agent.fleet_desk import read_order
from edgeface.cli_output import UsageError
from edgeface.door.notify import Notifier
from edgeface.stop_signal import stop_by

_CONFIG = "/etc/edgeface/agent.toml"
_ORDER_S = 1.0
_OF_DOOR = ("bundle", "public_key", "runtime", "variant")
_EPILOG = """\
Runs beside "edgeface door", which works without it, and without the site. docs/site-doors.md has
an agent.toml to begin with, and what each setting means.

examples:
  edgeface agent                                   with /etc/edgeface/agent.toml, until stopped
  edgeface agent --config agent.toml --check       does the site know this door? Changes nothing
  edgeface agent --config agent.toml --once        exchange what is new, and stop
  edgeface agent --config agent.toml --rollouts    a second process, of root: docs/site-fleet.md

exit codes: 0 done, 1 error, 2 wrong usage
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.epilog = _EPILOG
    parser.add_argument(
        "--config",
        metavar="FILE",
        default=_CONFIG,
        help=f"the agent's settings (default: {_CONFIG})",
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--check", action="store_true", help="ask the site, say so, and stop")
    what.add_argument(
        "--rollouts", action="store_true", help="do the site's roll-outs, as root, until stopped"
    )
    what.add_argument("--once", action="store_true", help="exchange what is new, and stop")


def run(args: argparse.Namespace) -> int:
    """Run the agent that the arguments name."""
    given = [name for name in _OF_DOOR if getattr(args, name) is not None]
    if given:
        option = "--" + given[0].replace("_", "-")
        raise UsageError(f"{option}: an agent takes this from table [bundle] of its door.toml")
    config = read_agent_config(args.config)
    if args.rollouts:
        return _do_rollouts(config)
    with open_agent(config) as agent:
        if args.check:
            print(f"{config.door.name}: {agent.check()}")
            return 0
        if args.once:
            agent.once()
            print(f"{config.door.name}: in step with the site, {agent.replica.count()} people")
            return 0
        print(f"edgeface: agent of door {config.door.name} begins", file=sys.stderr)
        # In a thread: the handler may interrupt what holds a lock that `end` needs.
        with stop_by(lambda: threading.Thread(target=agent.end).start()):
            with Notifier.from_environment() as notifier:
                agent.run(notifier)
    return 0


def _do_rollouts(config: AgentConfig) -> int:
    fleet, ended = open_fleet(config), threading.Event()
    with stop_by(ended.set):
        print(f"edgeface: roll-outs of door {config.door.name} begin", file=sys.stderr)
        fleet.start()
        while fleet.works() and not ended.is_set():
            fleet.ask(read_order(order_file(config)))
            ended.wait(_ORDER_S)
        fleet.close()
    return 0 if ended.is_set() else 1  # ended by a fault of ours: to be started anew
