-- Acts of the command line, which the running server takes over into the site's log.
CREATE TABLE site_act_waiting (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT now(),
    act text NOT NULL,
    by text NOT NULL,
    detail text NOT NULL
);
