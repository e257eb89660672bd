"""Are there advisories for these versions? pip-audit asks; what was not asked is never clean."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

SERVICES = ("pypi", "osv")
OSV_URL = "https://api.osv.dev/v1/query"
_WORDS = 120


@dataclass(frozen=True)
class Advisories:
    """What is known of some packages.

    Attributes
    ----------
    checked
        name==version of those that were asked for.
    found
        One line for each advisory: name==version, the advisory, the versions that have it mended.
    unchecked
        name==version of those that no service was asked for, or that it does not know.
    why
        Why those were not; empty where all were.
    """

    checked: tuple[str, ...]
    found: tuple[str, ...]
    unchecked: tuple[str, ...]
    why: str = ""


def ask(
    packages: Sequence[str], *, services: Sequence[str] = SERVICES, osv_url: str = OSV_URL
) -> Advisories:
    """Ask the first service that answers.

    Parameters
    ----------
    packages
        name==version of each, every name once.
    services
        pip-audit's names, in this order.
    osv_url
        Where "osv" is.
    """
    why = "no service was named"
    for service in services:
        dependencies, why = _run(packages, service, osv_url)
        answered = [one for one in dependencies if "skip_reason" not in one]
        if answered:
            return _advisories(packages, answered, f"{service} does not know them")
    return Advisories((), (), tuple(packages), why)


def _run(packages: Sequence[str], service: str, osv_url: str) -> tuple[list[dict], str]:
    """Return pip-audit's entries, and its last words where there is none that was checked."""
    with tempfile.TemporaryDirectory() as folder:
        requirements = Path(folder, "requirements.txt")
        requirements.write_text("\n".join(packages) + "\n")
        words = [sys.executable, "-m", "pip_audit", "--progress-spinner", "off", "--no-deps"]
        words += ["--disable-pip", "--format", "json", "--cache-dir", folder]
        words += ["--vulnerability-service", service, "--osv-url", osv_url]
        words += ["--requirement", str(requirements)]
        done = subprocess.run(words, capture_output=True, text=True)
    try:
        dependencies = json.loads(done.stdout)["dependencies"]
    except ValueError:  # it ended before it had an answer
        said = (done.stderr.strip().splitlines() or ["no message"])[-1]
        return [], f"{service}: {said[:_WORDS]}"
    skipped = [one["skip_reason"] for one in dependencies if "skip_reason" in one]
    return dependencies, f"{service}: {skipped[0]}" if skipped else ""


def _advisories(packages: Sequence[str], answered: list[dict], unknown: str) -> Advisories:
    checked = {f"{one['name']}=={one['version']}": one["vulns"] for one in answered}
    found = [
        f"{package}: {vulnerability['id']}, mended in "
        f"{', '.join(vulnerability['fix_versions']) or 'no version'}"
        for package, vulnerabilities in checked.items()
        for vulnerability in vulnerabilities
    ]
    unchecked = tuple(package for package in packages if package not in checked)
    return Advisories(tuple(checked), tuple(found), unchecked, unknown if unchecked else "")
