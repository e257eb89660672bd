"""What would the door have decided?   python door_replay.py DOOR.toml CLIP"""

import sys
from datetime import datetime, timezone

from edgeface.door import Decision, read_config, simulate

config, clip = read_config(sys.argv[1]), sys.argv[2]

for output in simulate(config, clip, begins=datetime.now(timezone.utc)):
    if isinstance(output, Decision):
        verdict = "open" if output.opens else "deny"
        print(f"{output.moment.monotonic:6.2f} s  {verdict}  {output.reason.value}")
