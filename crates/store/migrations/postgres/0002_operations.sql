-- What operators switch, ask for and see while gateways run.

CREATE TABLE features (
    name     TEXT NOT NULL,
    tenant   TEXT NOT NULL,        -- '' is the deployment
    state    TEXT NOT NULL CHECK (state IN ('on', 'shadow', 'off')),
    until_ms BIGINT,
    PRIMARY KEY (name, tenant)
);

-- Only ever added to.
CREATE TABLE audit (
    id       BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at       BIGINT NOT NULL,
    who      TEXT NOT NULL,
    what     TEXT NOT NULL,
    tenant   TEXT,
    was      TEXT,
    now      TEXT,
    until_ms BIGINT,
    why      TEXT
);
CREATE TRIGGER audit_is_never_changed BEFORE UPDATE ON audit
FOR EACH ROW EXECUTE FUNCTION refused('the audit is only added to');

-- What every running gateway is to do once.
CREATE TABLE commands (
    id     BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at     BIGINT NOT NULL,
    kind   TEXT NOT NULL,
    target TEXT NOT NULL
);

-- What each running gateway looks like.
CREATE TABLE snapshots (
    replica TEXT NOT NULL,
    kind    TEXT NOT NULL,
    body    TEXT NOT NULL,
    at      BIGINT NOT NULL,
    PRIMARY KEY (replica, kind)
);

-- Windows on their way over a restart.
CREATE TABLE kept_windows (
    body TEXT NOT NULL
);
