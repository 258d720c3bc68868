-- The sections of the configuration that change while gateways run: the newest row holds on all of them.
CREATE TABLE revisions (
    number   BIGINT PRIMARY KEY, -- 1, 2, 3, …
    body     TEXT NOT NULL,       -- JSON, without a secret
    diff     TEXT NOT NULL,       -- JSON: what differs from the one before
    origin   TEXT NOT NULL CHECK (origin IN ('start', 'reload', 'activate', 'rollback')),
    restores BIGINT,             -- the one that a rollback brings back
    author   TEXT NOT NULL,
    why      TEXT,
    made_at  BIGINT NOT NULL,
    outcome  TEXT NOT NULL CHECK (outcome IN ('pending', 'active', 'rolled_back')),
    reason   TEXT,
    ended_at BIGINT,             -- when it was decided
    token    TEXT,                -- while it is pending: what the key of its synthetic calls is derived from
    beat     BIGINT NOT NULL     -- raised by whoever watches it, for as long as they do
);

-- Which gateway took up which.
CREATE TABLE revision_uptakes (
    revision BIGINT NOT NULL,
    replica  TEXT NOT NULL,
    taken_at BIGINT NOT NULL,
    trouble  TEXT,                -- why it could not
    PRIMARY KEY (revision, replica)
);
