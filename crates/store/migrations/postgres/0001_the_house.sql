-- Instants are milliseconds since the epoch (UTC). Every table of people's data begins with its tenant.

-- Equality of texts in exclusions.
CREATE EXTENSION IF NOT EXISTS btree_gist;

CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
);

CREATE TABLE tenants (
    slug       TEXT PRIMARY KEY,
    revision   BIGINT NOT NULL,
    body       TEXT NOT NULL,
    updated_at BIGINT NOT NULL
);

CREATE TABLE tenant_revisions (
    slug     TEXT NOT NULL,
    revision BIGINT NOT NULL,
    body     TEXT,             -- NULL: removed in this revision
    author   TEXT NOT NULL,
    made_at  BIGINT NOT NULL,
    PRIMARY KEY (slug, revision)
);

CREATE TABLE tenant_secrets (
    tenant TEXT NOT NULL,
    name   TEXT NOT NULL,
    sealed BYTEA NOT NULL,      -- nonce, ciphertext, tag; tenant and name are authenticated with it
    PRIMARY KEY (tenant, name)
);

CREATE TABLE api_keys (
    hash       BYTEA PRIMARY KEY,   -- SHA-256 of the whole key
    tenant     TEXT NOT NULL,
    key_id     TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT
);

CREATE TABLE calls (
    tenant        TEXT NOT NULL,
    call_id       TEXT NOT NULL,
    state         TEXT NOT NULL,
    from_number   TEXT,
    to_number     TEXT,
    agent_id      TEXT,
    agent_version BIGINT,
    started_at    BIGINT NOT NULL,
    ended_at      BIGINT,
    ended_why     TEXT,
    memory        TEXT NOT NULL,
    PRIMARY KEY (tenant, call_id)
);
CREATE INDEX calls_by_start ON calls (tenant, started_at);

CREATE TABLE call_events (
    tenant  TEXT NOT NULL,
    call_id TEXT NOT NULL,
    name    TEXT NOT NULL,
    digest  TEXT NOT NULL,
    kept    TEXT NOT NULL,
    at      BIGINT NOT NULL,
    PRIMARY KEY (tenant, call_id, name)
);

CREATE TABLE call_steps (
    id       BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant   TEXT NOT NULL,
    call_id  TEXT NOT NULL,
    request  TEXT NOT NULL,
    function TEXT NOT NULL,
    status   TEXT NOT NULL,
    input    TEXT NOT NULL,
    output   TEXT NOT NULL,
    at       BIGINT NOT NULL,
    took_ms  BIGINT NOT NULL
);
CREATE INDEX call_steps_by_call ON call_steps (tenant, call_id, id);

CREATE TABLE holds (
    tenant     TEXT NOT NULL,
    id         TEXT NOT NULL,
    call_id    TEXT,
    service    TEXT NOT NULL,
    staff      TEXT,
    resource   TEXT NOT NULL,
    event_type BIGINT,
    start_ms   BIGINT NOT NULL,
    end_ms     BIGINT NOT NULL,
    busy       TEXT NOT NULL,
    until_ms   BIGINT NOT NULL,
    replaces   TEXT,
    PRIMARY KEY (tenant, id)
);
CREATE INDEX holds_by_call ON holds (tenant, call_id);
CREATE INDEX holds_by_end ON holds (until_ms);

-- What blocks a resource. The exclusions are the promise that nothing is given away twice.
-- One for each pair of kinds, so that each says exactly what DESIGN.md says of that pair.
CREATE TABLE occupancy (
    id       BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant   TEXT NOT NULL,
    resource TEXT NOT NULL,
    from_ms  BIGINT NOT NULL,
    to_ms    BIGINT NOT NULL CHECK (to_ms > from_ms),
    kind     TEXT NOT NULL CHECK (kind IN ('hold', 'appointment')),
    owner    TEXT NOT NULL,        -- id of the hold or the appointment
    call_id  TEXT,
    until_ms BIGINT,              -- holds only
    replaces TEXT,                 -- the appointment that a hold may overlap
    intent   TEXT,                 -- the move that is not settled yet, for the new time
    made_ms  BIGINT NOT NULL,
    -- Two appointments never meet; the old and the new time of one that is moved may.
    CONSTRAINT occupancy_appointments_apart EXCLUDE USING gist (
        tenant WITH =, resource WITH =, int8range(from_ms, to_ms) WITH &&, owner WITH <>
    ) WHERE (kind = 'appointment'),
    -- Two holds meet only within one call; a hold without a call is a party of its own.
    CONSTRAINT occupancy_calls_apart EXCLUDE USING gist (
        tenant WITH =, resource WITH =, int8range(from_ms, to_ms) WITH &&,
        (COALESCE('c:' || call_id, 'o:' || owner)) WITH <>
    ) WHERE (kind = 'hold'),
    -- A hold meets no appointment but the one that it is to replace.
    CONSTRAINT occupancy_kinds_apart EXCLUDE USING gist (
        tenant WITH =, resource WITH =, int8range(from_ms, to_ms) WITH &&, kind WITH <>,
        (CASE kind WHEN 'hold' THEN COALESCE(replaces, '') ELSE owner END) WITH <>
    )
);
CREATE INDEX occupancy_by_time ON occupancy (tenant, from_ms, to_ms);
CREATE INDEX occupancy_by_resource ON occupancy (tenant, resource, from_ms);
CREATE INDEX occupancy_by_owner ON occupancy (tenant, owner);

-- Holds that are over block nothing: a constraint knows no time, so they go before it looks. And whoever
-- wants a time of one business waits in one line: two that insert at once would each wait for the other.
CREATE FUNCTION occupancy_makes_room() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('occupancy ' || NEW.tenant, 0));
    DELETE FROM occupancy
    WHERE tenant = NEW.tenant AND resource = NEW.resource AND from_ms < NEW.to_ms AND to_ms > NEW.from_ms
      AND until_ms <= NEW.made_ms;
    RETURN NEW;
END
$$;
CREATE TRIGGER occupancy_makes_room BEFORE INSERT ON occupancy
FOR EACH ROW EXECUTE FUNCTION occupancy_makes_room();

CREATE FUNCTION refused() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%', TG_ARGV[0];
END
$$;
CREATE TRIGGER occupancy_never_moves BEFORE UPDATE OF tenant, resource, from_ms, to_ms, kind, owner ON occupancy
FOR EACH ROW EXECUTE FUNCTION refused('occupancy rows are replaced, never changed');

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
    event_type   BIGINT,
    start_ms     BIGINT NOT NULL,
    end_ms       BIGINT NOT NULL,
    state        TEXT NOT NULL,
    calendar_uid TEXT,
    notes        TEXT,
    created_at   BIGINT NOT NULL,
    updated_at   BIGINT NOT NULL,
    PRIMARY KEY (tenant, id)
);
CREATE INDEX appointments_by_owner ON appointments (tenant, owner, start_ms);
CREATE INDEX appointments_by_call ON appointments (tenant, call_id);
CREATE UNIQUE INDEX appointments_by_uid ON appointments (tenant, calendar_uid) WHERE calendar_uid IS NOT NULL;

CREATE TABLE appointment_history (
    id          BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant      TEXT NOT NULL,
    appointment TEXT NOT NULL,
    what        TEXT NOT NULL,
    start_ms    BIGINT NOT NULL,
    at          BIGINT NOT NULL
);
CREATE INDEX appointment_history_by_appointment ON appointment_history (tenant, appointment, id);

CREATE TABLE intents (
    tenant      TEXT NOT NULL,
    id          TEXT NOT NULL,
    appointment TEXT NOT NULL,
    kind        TEXT NOT NULL,     -- JSON
    state       TEXT NOT NULL,
    attempts    BIGINT NOT NULL,
    created_at  BIGINT NOT NULL,
    lease_until BIGINT NOT NULL,
    watch_until BIGINT,
    last_error  TEXT,
    settled_at  BIGINT,
    rowid       BIGINT GENERATED ALWAYS AS IDENTITY UNIQUE, -- which came first, of two made in one millisecond
    PRIMARY KEY (tenant, id)
);
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
    due_at         BIGINT NOT NULL,
    state          TEXT NOT NULL,
    assigned_to    TEXT,
    created_at     BIGINT NOT NULL,
    updated_at     BIGINT NOT NULL,
    PRIMARY KEY (tenant, id)
);
CREATE INDEX callbacks_by_due ON callbacks (tenant, state, due_at);

-- Every effect beyond this database, written in the transaction that causes it.
CREATE TABLE outbox (
    id         BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant     TEXT NOT NULL,
    kind       TEXT NOT NULL,
    subject    TEXT NOT NULL,
    body       TEXT NOT NULL,
    state      TEXT NOT NULL,
    attempts   BIGINT NOT NULL DEFAULT 0,
    not_before BIGINT NOT NULL,
    last_error TEXT,
    created_at BIGINT NOT NULL,
    UNIQUE (tenant, kind, subject)
);

CREATE TABLE claims (
    tenant      TEXT NOT NULL,
    key         TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    status      BIGINT,
    body        TEXT,
    claimed_at  BIGINT NOT NULL,
    PRIMARY KEY (tenant, key)
);
CREATE INDEX claims_by_age ON claims (claimed_at);

CREATE TABLE calendar_events (
    tenant TEXT NOT NULL,
    digest TEXT NOT NULL,
    kept   TEXT NOT NULL,
    at     BIGINT NOT NULL,
    PRIMARY KEY (tenant, digest)
);
