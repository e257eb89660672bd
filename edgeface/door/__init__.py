"""The door: camera → track → liveness → decision → relay, and a log of it all.

`edgeface door --config door.toml` runs it; `docs/door.md` says how it is configured.
"""
