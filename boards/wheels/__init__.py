"""edgeface's own wheels, cross-built for every CPython and machine that boards have."""
