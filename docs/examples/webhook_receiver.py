"""Receive a door's events:   python webhook_receiver.py SECRET_FILE PORT

In the door's door.toml: kind = "webhook", its url and the same secret. Put it behind TLS: a proxy.
"""

import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from edgeface.door.webhook_signature import WebhookReceiver
from edgeface.errors import ActuatorError

LONGEST_BODY = 65536
receiver = WebhookReceiver(Path(sys.argv[1]).read_bytes())


class Receive(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(min(int(self.headers.get("Content-Length", 0)), LONGEST_BODY))
        try:
            received = receiver.receive(body, headers=self.headers, now=time.time())
        except ActuatorError:
            return self.send_error(401)
        if not received.repeated:
            print(received.event["event_type"], received.event, flush=True)
        self.send_response(200)
        self.end_headers()


HTTPServer(("127.0.0.1", int(sys.argv[2])), Receive).serve_forever()
