-- What one door rarely has and others often is found without going through all that the door did.
CREATE INDEX event_door_reason ON event (door, reason, happened, id) WHERE reason IS NOT NULL;
CREATE INDEX event_door_kind ON event (door, kind, happened, id);
