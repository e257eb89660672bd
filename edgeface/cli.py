"""The ``edgeface`` command: picks the sub-command's module, and turns errors into exit codes.

Exit codes: 0 done, 1 an error (one line on stderr), 2 wrong usage, 3 no match, 4 slower (bench).
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any

from edgeface.cli_output import UsageError, print_json
from edgeface.errors import BoardError, EdgeFaceError
from edgeface.manifest import RUNTIMES, VARIANTS

# Each module has add_arguments(parser) and run(args) -> exit code, and is imported only when its
# command was asked for: "edgeface --help" loads neither OpenCV nor an inference runtime.
COMMANDS = {
    "demo": ("edgeface.demo", "see it work, without camera or network"),
    "info": ("edgeface.cli_info", "versions, bundle, thresholds, licences, this CPU"),
    "verify": ("edgeface.cli_verify", "are these two photos of one person?"),
    "enroll": ("edgeface.cli_enroll", "add a person to the gallery"),
    "identify": ("edgeface.cli_identify", "who is in this photo?"),
    "gallery": ("edgeface.cli_gallery", "list, remove, export and import people"),
    "audit": ("edgeface.cli_audit", "verify, show and export the log of a door"),
    "door": ("edgeface.cli_door", "watch a camera and open the door, or replay a clip"),
    "site": ("edgeface.cli_site", "serve a site of several doors: console and API"),
    "agent": ("edgeface.cli_agent", "bring a door together with its site"),
    "doctor": ("edgeface.cli_doctor", "what is wrong with this machine, and what to do"),
    "selftest": ("edgeface.cli_selftest", "check models and native code on this machine"),
    "eval": ("edgeface.evaluate", "measure accuracy on pairs of photos"),
    "bench": ("edgeface.cli_bench", "measure speed here: stages, or embedder files"),
    "tune": ("edgeface.cli_tune", "measure, and run the embedder the fastest accurate way"),
}

_CHOOSE_CPUS = ("bench", "tune")  # they measure several sets

_EPILOG = """\
examples:
  edgeface demo
  edgeface verify passport.jpg door.jpg
  edgeface enroll "Ada Lovelace" ada1.jpg ada2.jpg
  edgeface identify visitors.jpg --save found.jpg

exit codes: 0 done, 1 error, 2 wrong usage, 3 no match, 4 slower (bench compare)
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    args = build_parser(arguments).parse_args(arguments)
    try:
        return _run(args)
    except UsageError as error:
        return _fail(error, args, code=2)
    except BrokenPipeError:  # the reader ("| head") has left: nothing more to say
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (EdgeFaceError, OSError) as error:
        return _fail(error, args, code=1)
    except KeyboardInterrupt:
        print("edgeface: interrupted", file=sys.stderr)
        return 130


def _run(args: argparse.Namespace) -> int:
    # Before its import: what is wrong with a photo, we say ourselves.
    os.environ.setdefault("OPENCV_LOG_LEVEL", "ERROR")
    import cv2

    from edgeface import _native

    try:
        _native.active_isa()
    except ValueError as error:  # EDGEFACE_ISA names none of them
        raise UsageError(error) from error
    if args.command != "doctor":  # which says what is wrong with the settings
        _apply_settings(args)
    # OpenCV's own pool makes small crops slower, much so on a busy board.
    cv2.setNumThreads(args.threads or 1)
    return importlib.import_module(COMMANDS[args.command][0]).run(args)


def _apply_settings(args: argparse.Namespace) -> None:
    """Take threads that the command line leaves open, and keep to the CPUs that are configured."""
    from edgeface.configured import settings, settings_path

    configured = settings()
    args.threads = args.threads or configured.threads or 1
    if configured.cpus is None or args.command in _CHOOSE_CPUS:
        return
    try:
        os.sched_setaffinity(0, configured.cpus)
    except OSError as error:
        raise BoardError(
            f"{settings_path()}: cpus {list(configured.cpus)} cannot be used here "
            f"({error.strerror}); expected some of 0 to {(os.cpu_count() or 1) - 1}"
        ) from error


def build_parser(arguments: Sequence[str]) -> argparse.ArgumentParser:
    """Return the parser, with the options of the command that `arguments` name filled in."""
    parser = argparse.ArgumentParser(
        prog="edgeface",
        description="Face recognition on this device: find faces, compare them, name them.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=_Version, help="print the version and exit")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, (module, text) in COMMANDS.items():
        command = commands.add_parser(
            name,
            help=text,
            description=text[0].upper() + text[1:],
            formatter_class=argparse.RawDescriptionHelpFormatter,
            conflict_handler="resolve",
        )
        if name in arguments:
            _add_common_arguments(command)
            importlib.import_module(module).add_arguments(command)
    return parser


def _add_common_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON for programs")
    parser.add_argument(
        "--bundle", metavar="FILE", help="models to use (default: $EDGEFACE_BUNDLE, else built in)"
    )
    parser.add_argument(
        "--public-key",
        metavar="PEM",
        help="refuse a bundle not signed by this key, or by one of this folder "
        "(default: $EDGEFACE_PUBLIC_KEY, else no signature is asked for)",
    )
    parser.add_argument(
        "--threads",
        type=positive,
        metavar="N",
        help="CPU threads (default: as configured by 'edgeface tune', else 1)",
    )
    parser.add_argument(
        "--variant",
        choices=VARIANTS,
        help="embedder as one network, or backbone and native head (default: as configured, else "
        "the bundle's choice)",
    )
    parser.add_argument(
        "--runtime",
        choices=RUNTIMES,
        help="what runs the embedder, where the bundle has it for several (default: as configured, "
        "else the board's best; 'edgeface info' says which)",
    )


def positive(text: str) -> int:
    """Parse a whole number of at least 1, for argparse."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is not at least 1")
    return value


class _Version(argparse.Action):
    def __init__(self, option_strings: Sequence[str], dest: str, **kwargs: Any) -> None:
        super().__init__(option_strings, dest, nargs=0, **kwargs)

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        import edgeface

        print(f"edgeface {edgeface.__version__}")
        parser.exit()


def _fail(error: Exception, args: argparse.Namespace, *, code: int) -> int:
    text = " ".join(str(error).split()) or type(error).__name__
    if args.json:
        print_json({"error": {"type": type(error).__name__, "message": text}})
    print(f"edgeface: {text}", file=sys.stderr)
    return code
