-- The doors' audit logs as they came, line by line, and what the site noticed on the way.

-- One log of one door. A door begins a new one when its folder was moved away.
CREATE TABLE event_log (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    door text NOT NULL,
    log_id text NOT NULL,
    -- Every line up to this number is here (or is known to be missing), and the hash of that line;
    -- NULL: the line is one of those that are missing.
    received bigint NOT NULL DEFAULT 0,
    received_hash text,
    -- Up to here a signature by a key that is trusted covers the chain.
    signed bigint NOT NULL DEFAULT 0,
    -- Lines up to this number were deleted by the site's rules; the hash is what is left of them.
    forgotten bigint NOT NULL DEFAULT 0,
    forgotten_hash text,
    UNIQUE (door, log_id)
);

CREATE TABLE event (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    door text NOT NULL,
    -- NULL: something that the site noticed, not a line of a log.
    log bigint REFERENCES event_log (id),
    seq bigint,
    hash text,
    -- When it came; and when it happened by the door's clock, if that was trusted and is not ahead:
    -- the latter is what events are listed by.
    received_at timestamptz NOT NULL,
    happened timestamptz NOT NULL,
    kind text NOT NULL,
    reason text,
    opened boolean,
    score real,
    person text,
    with_person text,
    -- The line, byte for byte; of what the site noticed, the line that it is about, or empty.
    line text NOT NULL,
    -- What the site noticed, in words.
    detail text,
    -- The same thing is noticed once.
    mark text UNIQUE,
    UNIQUE (log, seq)
);

CREATE INDEX event_happened ON event (happened, id);
CREATE INDEX event_door ON event (door, happened, id);
CREATE INDEX event_kind ON event (kind, happened, id);
CREATE INDEX event_reason ON event (reason, happened, id) WHERE reason IS NOT NULL;
CREATE INDEX event_person ON event (person, happened) WHERE person IS NOT NULL;
CREATE INDEX event_with_person ON event (with_person, happened) WHERE with_person IS NOT NULL;
CREATE INDEX event_decision ON event (happened, door, opened) INCLUDE (score)
    WHERE kind = 'decision';

-- The public keys that may sign a door's log.
CREATE TABLE event_key (
    door text NOT NULL,
    key_id text NOT NULL,
    public text NOT NULL, -- PEM
    PRIMARY KEY (door, key_id)
);
