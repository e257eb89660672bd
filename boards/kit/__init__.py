"""Kits: all that one board needs, in a folder that installs without a network."""
