"""An actuator of one's own, on a serial line:   python door_own_actuator.py DOOR.toml TTY

Whatever it raises must be an ActuatorError; the door then lets nobody in until it works again.
"""

import sys

from edgeface.door import Actuator, Decision, open_door, read_config
from edgeface.errors import ActuatorError


class Turnstile(Actuator):
    name, must_work = "turnstile", True

    def __init__(self, path):
        self.line = open(path, "wb", buffering=0)

    def handle(self, output):
        if isinstance(output, Decision) and output.opens:
            self._send(b"OPEN 1\n")  # it turns once and locks by itself

    def _send(self, command):
        try:
            self.line.write(command)
        except OSError as error:
            raise ActuatorError(f"turnstile: {error.strerror}; check its cable") from error

    def close(self):
        self.line.close()


with open_door(read_config(sys.argv[1]), actuators=[Turnstile(sys.argv[2])]) as door:
    door.run()
