"""Boards: data about each (``<soc>/board.toml``), and the host tools that flash and update them."""
