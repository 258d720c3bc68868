-- What answers came to, in slots of ten seconds: one row for each gateway that saw anything in it.
CREATE TABLE observations (
    at      INTEGER NOT NULL,
    gateway TEXT NOT NULL,
    body    TEXT NOT NULL, -- JSON
    PRIMARY KEY (at, gateway)
) STRICT;

-- One for each rule and subject: the newest. A subject is an agent, an account, a tenant or '' for all of it.
CREATE TABLE alerts (
    rule        TEXT NOT NULL,
    subject     TEXT NOT NULL,
    evidence    TEXT NOT NULL,
    fired_at    INTEGER NOT NULL,
    last_seen   INTEGER NOT NULL,
    calm_since  INTEGER,
    resolved_at INTEGER,
    told        INTEGER NOT NULL,
    PRIMARY KEY (rule, subject)
) STRICT;

-- Whom nobody is told of for a while.
CREATE TABLE alert_silences (
    rule     TEXT NOT NULL,
    subject  TEXT NOT NULL, -- '*' is every one
    until_ms INTEGER NOT NULL,
    who      TEXT NOT NULL,
    PRIMARY KEY (rule, subject)
) STRICT;

-- What one gateway does for all.
CREATE TABLE turns (
    name        TEXT NOT NULL PRIMARY KEY,
    holder      TEXT NOT NULL,
    lease_until INTEGER NOT NULL
) STRICT;

-- When a call made an appointment last, and what a person has to put right.
CREATE INDEX appointments_of_calls ON appointments (tenant, created_at) WHERE call_id IS NOT NULL;
CREATE INDEX intents_torn ON intents (tenant) WHERE state = 'compensation_failed';
