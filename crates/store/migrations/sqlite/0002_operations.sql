-- What operators switch, ask for and see while gateways run.

CREATE TABLE features (
    name     TEXT NOT NULL,
    tenant   TEXT NOT NULL,        -- '' is the deployment
    state    TEXT NOT NULL CHECK (state IN ('on', 'shadow', 'off')),
    until_ms INTEGER,
    PRIMARY KEY (name, tenant)
) STRICT;

-- Only ever added to.
CREATE TABLE audit (
    id       INTEGER PRIMARY KEY,
    at       INTEGER NOT NULL,
    who      TEXT NOT NULL,
    what     TEXT NOT NULL,
    tenant   TEXT,
    was      TEXT,
    now      TEXT,
    until_ms INTEGER,
    why      TEXT
) STRICT;
CREATE TRIGGER audit_is_never_changed BEFORE UPDATE ON audit
BEGIN
    SELECT RAISE(ABORT, 'the audit is only added to');
END;

-- What every running gateway is to do once.
CREATE TABLE commands (
    id     INTEGER PRIMARY KEY,
    at     INTEGER NOT NULL,
    kind   TEXT NOT NULL,
    target TEXT NOT NULL
) STRICT;

-- What each running gateway looks like.
CREATE TABLE snapshots (
    replica TEXT NOT NULL,
    kind    TEXT NOT NULL,
    body    TEXT NOT NULL,
    at      INTEGER NOT NULL,
    PRIMARY KEY (replica, kind)
) STRICT;

-- Windows on their way over a restart.
CREATE TABLE kept_windows (
    body TEXT NOT NULL
) STRICT;
