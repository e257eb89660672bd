"""Enrol somebody at a site from photos, and print what its doors do from then on.

    python site_people.py https://site.example:8443 ca.pem token.txt "Ada Lovelace" ada1.jpg

The token needs the scopes people:read, people:write and events:read.
"""

from __future__ import annotations

import sys
from pathlib import Path

from edgeface.client import SiteClient
from edgeface.errors import SiteConflictError

url, ca_file, token_file, name, *photos = sys.argv[1:]
with SiteClient(url, token=Path(token_file).read_text().strip(), ca_file=ca_file) as site:
    try:
        person = site.enrol(name, photos, groups=["staff"])
    except SiteConflictError as error:
        sys.exit(f"{error}\nLook at who it is; site.enrol(..., confirm=True) goes on.")
    print(f"{person['name']}: {person['templates']} templates, doors {person['doors']}")
    for event in site.events(person=person["uid"]):
        print(event["happened"], event["door"], event["kind"], event["reason"])
