"""Boards: data about each (``<soc>/board.toml``), and host tools that make, flash and update them."""
