"""What boards and the site's server are made of, and whether there are advisories for it.

``python -m boards inventory --out build/sbom`` writes a bill of materials (CycloneDX JSON) for the
kits of each Python and for the server, and asks pip-audit's services for advisories. It ends with
1 where one is found, and where some packages were asked for and others not. Without a network
nothing is asked: that is said, and no error.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from boards.inventory.advisories import Advisories, ask
from boards.inventory.packages import board_packages, server_packages
from boards.inventory.sbom import SPECIFICATION, write_sbom
from boards.wheels.native import ROOT


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``boards inventory``."""
    parser.add_argument(
        "--out", type=Path, default=Path("build/sbom"), metavar="DIR", help="(default: build/sbom)"
    )


def run(args: argparse.Namespace) -> int:
    """Write the inventory, ask for advisories; return 1 where there is something to do."""
    version = (ROOT / "VERSION").read_text().strip()
    lists = {f"board-python{python}": found for python, found in board_packages().items()}
    lists["site-server"] = server_packages()
    for name, packages in lists.items():
        path = args.out / f"{name}.cdx.json"
        write_sbom(path, packages, name=f"edgeface-{name}", version=version)
        print(f"{path}: {len(packages)} packages, valid CycloneDX {SPECIFICATION}")
    different = {tuple(packages): name for name, packages in lists.items()}
    return tell({name: ask(packages) for packages, name in different.items()}, args.out)


def tell(answers: dict[str, Advisories], out: Path) -> int:
    """Say what is known of each list; return 1 for an advisory, or a list half checked."""
    for name, answer in answers.items():
        for line in answer.found:
            print(f"ADVISORY {name}: {line}")
        if answer.checked:
            print(f"{name}: {len(answer.checked)} packages checked, {len(answer.found)} advisories")
        if answer.unchecked:
            print(f"{name}: {len(answer.unchecked)} packages NOT CHECKED ({answer.why})")
    if not any(answer.checked for answer in answers.values()):
        print(
            "Advisories were NOT CHECKED: no service could be asked from here. Give the lists in "
            f"{out} to a scanner that can reach one, or run this again with a network."
        )
        return 0
    return int(any(answer.found or answer.unchecked for answer in answers.values()))
