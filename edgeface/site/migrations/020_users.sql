-- Who may use the console, and how often somebody tried to.
CREATE TABLE site_user (
    name text PRIMARY KEY,
    role text NOT NULL CHECK (role IN ('owner', 'operator', 'auditor')),
    enabled boolean NOT NULL DEFAULT true,
    password text NOT NULL,             -- argon2id, with its salt and parameters
    totp bytea NOT NULL,                -- secret of the authenticator, sealed by the site's key
    totp_used bigint NOT NULL DEFAULT 0, -- the newest time step whose code was taken
    created_at timestamptz NOT NULL DEFAULT now(),
    login_at timestamptz
);

CREATE TABLE site_session (
    id bytea PRIMARY KEY,               -- SHA-256 of what the cookie holds
    user_name text NOT NULL REFERENCES site_user ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now(),
    seen_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX site_session_user ON site_session (user_name);

CREATE TABLE site_guess (
    subject bytea PRIMARY KEY,          -- SHA-256 of an address or an account's name
    failures integer NOT NULL,
    last_at timestamptz NOT NULL,
    next_at timestamptz NOT NULL
);
CREATE INDEX site_guess_last ON site_guess (last_at);

CREATE TABLE site_token (
    id text PRIMARY KEY,
    name text NOT NULL UNIQUE,
    secret bytea NOT NULL,              -- SHA-256 of the token's secret part
    scopes text[] NOT NULL,
    created_by text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz,
    used_at timestamptz
);
