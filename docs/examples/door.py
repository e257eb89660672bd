"""A door in a script: python door.py DOOR.toml   (edgeface door --new FOLDER writes one)"""

import sys

from edgeface.door import Callback, Decision, open_door, read_config


def tell(happened):
    if isinstance(happened, Decision):
        print("open" if happened.opens else "deny", happened.reason.value, flush=True)


with open_door(read_config(sys.argv[1]), actuators=[Callback(tell)]) as door:
    door.run()
