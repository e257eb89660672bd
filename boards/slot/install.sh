#!/bin/sh
# Installs this kit on this machine, without a network: sudo sh install.sh [--root R] [--public-key K]
set -eu
kit=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
if ! command -v python3 >/dev/null; then
  echo "install.sh: python3 not found: install it (Debian: apt install python3-minimal)" >&2
  exit 1
fi
# The tool that is installed checks a new kit before anything of the kit runs.
tool=/opt/edgeface/bin/edgeface-slot
[ -f "$tool" ] || tool=$kit/slot.py
exec python3 -I "$tool" install "$kit" "$@"
