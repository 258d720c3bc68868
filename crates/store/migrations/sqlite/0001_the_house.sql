-- Instants are milliseconds since the epoch (UTC). Every table of people's data begins with its tenant.

CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;

CREATE TABLE tenants (
    slug       TEXT PRIMARY KEY,
    revision   INTEGER NOT NULL,
    body       TEXT NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;

CREATE TABLE tenant_revisions (
    slug     TEXT NOT NULL,
    revision INTEGER NOT NULL,
    body     TEXT,             -- NULL: removed in this revision
    author   TEXT NOT NULL,
    made_at  INTEGER NOT NULL,
    PRIMARY KEY (slug, revision)
) STRICT;

CREATE TABLE tenant_secrets (
    tenant TEXT NOT NULL,
    name   TEXT NOT NULL,
    sealed BLOB NOT NULL,      -- nonce, ciphertext, tag; tenant and name are authenticated with it
    PRIMARY KEY (tenant, name)
) STRICT;

CREATE TABLE api_keys (
    hash       BLOB PRIMARY KEY,   -- SHA-256 of the whole key
    tenant     TEXT NOT NULL,
    key_id     TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER
) STRICT;

CREATE TABLE calls (
    tenant        TEXT NOT NULL,
    call_id       TEXT NOT NULL,
    state         TEXT NOT NULL,
    from_number   TEXT,
    to_number     TEXT,
    agent_id      TEXT,
    agent_version INTEGER,
    started_at    INTEGER NOT NULL,
    ended_at      INTEGER,
    ended_why     TEXT,
    memory        TEXT NOT NULL,
    PRIMARY KEY (tenant, call_id)
) STRICT;
CREATE INDEX calls_by_start ON calls (tenant, started_at);

CREATE TABLE call_events (
    tenant  TEXT NOT NULL,
    call_id TEXT NOT NULL,
    name    TEXT NOT NULL,
    digest  TEXT NOT NULL,
    kept    TEXT NOT NULL,
    at      INTEGER NOT NULL,
    PRIMARY KEY (tenant, call_id, name)
) STRICT;

CREATE TABLE call_steps (
    id       INTEGER PRIMARY KEY,
    tenant   TEXT NOT NULL,
    call_id  TEXT NOT NULL,
    request  TEXT NOT NULL,
    function TEXT NOT NULL,
    status   TEXT NOT NULL,
    input    TEXT NOT NULL,
    output   TEXT NOT NULL,
    at       INTEGER NOT NULL,
    took_ms  INTEGER NOT NULL
) STRICT;
CREATE INDEX call_steps_by_call ON call_steps (tenant, call_id, id);

CREATE TABLE holds (
    tenant     TEXT NOT NULL,
    id         TEXT NOT NULL,
    call_id    TEXT,
    service    TEXT NOT NULL,
    staff      TEXT,
    resource   TEXT NOT NULL,
    event_type INTEGER,
    start_ms   INTEGER NOT NULL,
    end_ms     INTEGER NOT NULL,
    busy       TEXT NOT NULL,
    until_ms   INTEGER NOT NULL,
    replaces   TEXT,
    PRIMARY KEY (tenant, id)
) STRICT;
CREATE INDEX holds_by_call ON holds (tenant, call_id);
CREATE INDEX holds_by_end ON holds (until_ms);

-- What blocks a resource. The trigger below is the promise that nothing is given away twice.
CREATE TABLE occupancy (
    id       INTEGER PRIMARY KEY,
    tenant   TEXT NOT NULL,
    resource TEXT NOT NULL,
    from_ms  INTEGER NOT NULL,
    to_ms    INTEGER NOT NULL CHECK (to_ms > from_ms),
    kind     TEXT NOT NULL CHECK (kind IN ('hold', 'appointment')),
    owner    TEXT NOT NULL,        -- id of the hold or the appointment
    call_id  TEXT,
    until_ms INTEGER,              -- holds only
    replaces TEXT,                 -- the appointment that a hold may overlap
    intent   TEXT,                 -- the move that is not settled yet, for the new time
    made_ms  INTEGER NOT NULL
) STRICT;
CREATE INDEX occupancy_by_time ON occupancy (tenant, from_ms, to_ms);
CREATE INDEX occupancy_by_resource ON occupancy (tenant, resource, from_ms);
CREATE INDEX occupancy_by_owner ON occupancy (tenant, owner);

CREATE TRIGGER occupancy_excludes_overlap BEFORE INSERT ON occupancy
WHEN EXISTS (
    SELECT 1 FROM occupancy AS other
    WHERE other.tenant = NEW.tenant
      AND other.resource = NEW.resource
      AND other.from_ms < NEW.to_ms
      AND other.to_ms > NEW.from_ms
      AND other.owner <> NEW.owner
      AND (other.until_ms IS NULL OR other.until_ms > NEW.made_ms)
      AND NOT (other.kind = 'hold' AND NEW.kind = 'hold' AND other.call_id IS NOT NULL AND other.call_id IS NEW.call_id)
      AND (NEW.replaces IS NULL OR other.owner <> NEW.replaces)
      AND (other.replaces IS NULL OR other.replaces <> NEW.owner)
)
BEGIN
    SELECT RAISE(ABORT, 'occupied');
END;

CREATE TRIGGER occupancy_never_moves BEFORE UPDATE OF tenant, resource, from_ms, to_ms, kind, owner ON occupancy
BEGIN
    SELECT RAISE(ABORT, 'occupancy rows are replaced, never changed');
END;

CREATE TABLE appointments (
    tenant       TEXT NOT NULL,
    id           TEXT NOT NULL,
    call_id      TEXT,
    owner        TEXT,             -- E.164 of the envelope
    name         TEXT NOT NULL,
    email        TEXT,
    phone        TEXT,
    service      TEXT NOT NULL,
    staff        TEXT,
    resource     TEXT NOT NULL,
    event_type   INTEGER,
    start_ms     INTEGER NOT NULL,
    end_ms       INTEGER NOT NULL,
    state        TEXT NOT NULL,
    calendar_uid TEXT,
    notes        TEXT,
    created_at   INTEGER NOT NULL,
    updated_at   INTEGER NOT NULL,
    PRIMARY KEY (tenant, id)
) STRICT;
CREATE INDEX appointments_by_owner ON appointments (tenant, owner, start_ms);
CREATE INDEX appointments_by_call ON appointments (tenant, call_id);
CREATE UNIQUE INDEX appointments_by_uid ON appointments (tenant, calendar_uid) WHERE calendar_uid IS NOT NULL;

CREATE TABLE appointment_history (
    id          INTEGER PRIMARY KEY,
    tenant      TEXT NOT NULL,
    appointment TEXT NOT NULL,
    what        TEXT NOT NULL,
    start_ms    INTEGER NOT NULL,
    at          INTEGER NOT NULL
) STRICT;
CREATE INDEX appointment_history_by_appointment ON appointment_history (tenant, appointment, id);

CREATE TABLE intents (
    tenant      TEXT NOT NULL,
    id          TEXT NOT NULL,
    appointment TEXT NOT NULL,
    kind        TEXT NOT NULL,     -- JSON
    state       TEXT NOT NULL,
    attempts    INTEGER NOT NULL,
    created_at  INTEGER NOT NULL,
    lease_until INTEGER NOT NULL,
    watch_until INTEGER,
    last_error  TEXT,
    settled_at  INTEGER,
    PRIMARY KEY (tenant, id)
) STRICT;
CREATE INDEX intents_due ON intents (state, lease_until);
CREATE INDEX intents_by_appointment ON intents (tenant, appointment, created_at);

CREATE TABLE callbacks (
    tenant         TEXT NOT NULL,
    id             TEXT NOT NULL,
    call_id        TEXT,
    appointment    TEXT,
    name           TEXT,
    phone          TEXT,
    cause          TEXT NOT NULL,
    service        TEXT,
    notes          TEXT,
    preferred_time TEXT,
    priority       TEXT NOT NULL,
    due_at         INTEGER NOT NULL,
    state          TEXT NOT NULL,
    assigned_to    TEXT,
    created_at     INTEGER NOT NULL,
    updated_at     INTEGER NOT NULL,
    PRIMARY KEY (tenant, id)
) STRICT;
CREATE INDEX callbacks_by_due ON callbacks (tenant, state, due_at);

-- Every effect beyond this database, written in the transaction that causes it.
CREATE TABLE outbox (
    id         INTEGER PRIMARY KEY,
    tenant     TEXT NOT NULL,
    kind       TEXT NOT NULL,
    subject    TEXT NOT NULL,
    body       TEXT NOT NULL,
    state      TEXT NOT NULL,
    attempts   INTEGER NOT NULL DEFAULT 0,
    not_before INTEGER NOT NULL,
    last_error TEXT,
    created_at INTEGER NOT NULL,
    UNIQUE (tenant, kind, subject)
) STRICT;

CREATE TABLE claims (
    tenant      TEXT NOT NULL,
    key         TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    status      INTEGER,
    body        TEXT,
    claimed_at  INTEGER NOT NULL,
    PRIMARY KEY (tenant, key)
) STRICT;
CREATE INDEX claims_by_age ON claims (claimed_at);

CREATE TABLE calendar_events (
    tenant TEXT NOT NULL,
    digest TEXT NOT NULL,
    kept   TEXT NOT NULL,
    at     INTEGER NOT NULL,
    PRIMARY KEY (tenant, digest)
) STRICT;
