-- People, doors and rules. Texts that are times: ISO 8601 in UTC, as 2026-01-31T12:00:00Z.

-- Which model all templates are of; the first who opens the people writes it.
CREATE TABLE site (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    site_id text NOT NULL,
    model_id text NOT NULL,
    dim integer NOT NULL
);

-- The version that was handed out last. Who changes anything locks it first, so that versions are
-- in the order of commits and without gaps.
CREATE TABLE site_version (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    version bigint NOT NULL
);
INSERT INTO site_version (version) VALUES (0);

CREATE TABLE person (
    uid text PRIMARY KEY,
    version bigint NOT NULL UNIQUE,
    name text NOT NULL UNIQUE,
    sort_key text COLLATE "C" NOT NULL, -- the name without case and accents
    enrolled_at text COLLATE "C" NOT NULL,
    consent_at text COLLATE "C",
    expires_at text COLLATE "C",
    groups text[] NOT NULL,
    card bigint[] UNIQUE,
    blocked boolean NOT NULL,
    -- Whoever is in no group is in "default", as at a door.
    member_of text[] NOT NULL GENERATED ALWAYS AS
        (CASE WHEN cardinality(groups) = 0 THEN ARRAY['default'] ELSE groups END) STORED,
    -- Field -> version at which it was set last.
    touched jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX person_sort_key ON person (sort_key, uid);
CREATE INDEX person_member_of ON person USING gin (member_of);
CREATE INDEX person_expires_at ON person (expires_at) WHERE expires_at IS NOT NULL;

-- The column gets its number of dimensions when the site's model is known.
CREATE TABLE template (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    uid text NOT NULL REFERENCES person ON DELETE CASCADE,
    digest bytea NOT NULL,
    embedding vector NOT NULL,
    UNIQUE (uid, digest)
);

-- Who did what to somebody, without the values.
CREATE TABLE person_change (
    uid text NOT NULL REFERENCES person ON DELETE CASCADE,
    version bigint NOT NULL,
    at text COLLATE "C" NOT NULL,
    by text NOT NULL,
    fields text[] NOT NULL,
    conflicts text[] NOT NULL
);
CREATE INDEX person_change_uid ON person_change (uid, version);
CREATE INDEX person_change_at ON person_change (at);

-- Groups that somebody left: doors of these must forget the person.
CREATE TABLE departure (
    uid text NOT NULL,
    version bigint NOT NULL,
    groups text[] NOT NULL,
    PRIMARY KEY (version, uid)
);

-- Who was erased: a number that meant somebody, and nothing else.
CREATE TABLE erased (
    uid text PRIMARY KEY,
    version bigint NOT NULL,
    receipt text NOT NULL -- JSON
);
CREATE UNIQUE INDEX erased_version ON erased (version);

CREATE TABLE door (
    name text PRIMARY KEY,
    groups text[] NOT NULL,
    token_digest bytea NOT NULL UNIQUE,
    added_at text NOT NULL,
    changed bigint NOT NULL, -- version at which its groups were set
    epoch text NOT NULL,
    given bigint NOT NULL DEFAULT 0, -- up to which it was told, in this epoch
    confirmed bigint NOT NULL DEFAULT 0, -- up to which it has what it was told
    replaced boolean NOT NULL DEFAULT false, -- it may hold people of the epoch before
    seen_at text,
    status jsonb,
    live_until text COLLATE "C",
    live_reason text,
    live_by text
);

-- Doors that hold somebody who was erased, until they say that they do not any more.
CREATE TABLE erasure_door (
    uid text NOT NULL REFERENCES erased,
    door text NOT NULL,
    confirmed_at text,
    removed_at text,
    PRIMARY KEY (uid, door)
);
CREATE INDEX erasure_door_open ON erasure_door (door)
    WHERE confirmed_at IS NULL AND removed_at IS NULL;

-- What was asked before: the same again changes nothing.
CREATE TABLE enrol_request (
    request_id text PRIMARY KEY,
    uid text NOT NULL,
    at text COLLATE "C" NOT NULL
);
CREATE TABLE door_edit (
    door text NOT NULL,
    edit_id text NOT NULL,
    answer jsonb NOT NULL,
    at text COLLATE "C" NOT NULL,
    PRIMARY KEY (door, edit_id)
);

-- schedules, groups, decision ("" is its name) as door.toml has them.
CREATE TABLE rule (
    kind text NOT NULL CHECK (kind IN ('schedules', 'groups', 'decision')),
    name text NOT NULL,
    settings jsonb NOT NULL,
    PRIMARY KEY (kind, name)
);
CREATE TABLE rule_version (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    version bigint NOT NULL
);
INSERT INTO rule_version (version) VALUES (0);

-- For how many days things are kept; NULL: for ever.
CREATE TABLE retention (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    events_days integer DEFAULT 90 CHECK (events_days > 0),
    expired_days integer DEFAULT 30 CHECK (expired_days >= 0),
    changes_days integer DEFAULT 365 CHECK (changes_days > 0)
);
INSERT INTO retention DEFAULT VALUES;
