-- Roll-outs: a file that doors take one after another.

CREATE TABLE rollout (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('kit', 'config')),
    label text NOT NULL, -- what the file is, for people
    sha256 text NOT NULL, -- of the file, which lies in the site's folder of roll-outs
    bytes bigint NOT NULL,
    made_at timestamptz NOT NULL,
    by text NOT NULL,
    pause_s double precision NOT NULL,
    healthy_s double precision NOT NULL,
    patience_s double precision NOT NULL,
    state text NOT NULL CHECK (state IN ('running', 'done', 'failed', 'stopped')),
    ended_at timestamptz,
    text text NOT NULL DEFAULT ''
);

-- One at a time.
CREATE UNIQUE INDEX rollout_running ON rollout ((true)) WHERE state = 'running';

CREATE TABLE rollout_door (
    rollout bigint NOT NULL REFERENCES rollout (id),
    place int NOT NULL,
    door text NOT NULL,
    state text NOT NULL
        CHECK (state IN ('waiting', 'working', 'watched', 'going back', 'done', 'failed', 'left')),
    before jsonb, -- the door's status when its turn came
    began_at timestamptz, -- the present state; done, failed: when it ended
    good_since timestamptz, -- watched: healthy without interruption
    bad_since timestamptz, -- watched: not healthy without interruption
    told_at timestamptz, -- the last status
    text text NOT NULL DEFAULT '',
    PRIMARY KEY (rollout, place),
    UNIQUE (rollout, door)
);

-- A door is in one at a time, also after that one was stopped.
CREATE UNIQUE INDEX rollout_door_open ON rollout_door (door)
    WHERE state IN ('working', 'watched', 'going back');

CREATE TABLE rollout_step (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    rollout bigint NOT NULL REFERENCES rollout (id),
    door text, -- NULL: of the whole roll-out
    at timestamptz NOT NULL,
    text text NOT NULL
);
CREATE INDEX rollout_step_of ON rollout_step (rollout, id);
