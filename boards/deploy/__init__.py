"""Bring a kit to a running board, by ssh or adb: `command.py` has the order."""
