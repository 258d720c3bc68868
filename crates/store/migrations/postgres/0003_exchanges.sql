-- What was said to calendars and what they answered, redacted before it gets here.
CREATE TABLE exchanges (
    id       BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant   TEXT NOT NULL,
    request  TEXT NOT NULL,        -- the id of the request that caused it; '' where none did
    account  TEXT NOT NULL,
    method   TEXT NOT NULL,
    route    TEXT NOT NULL,
    status   BIGINT,              -- NULL: no answer
    trouble  TEXT,
    took_ms  BIGINT NOT NULL,
    sent     TEXT NOT NULL,
    received TEXT NOT NULL,
    at       BIGINT NOT NULL
);
CREATE INDEX exchanges_by_request ON exchanges (tenant, request);
CREATE INDEX exchanges_by_age ON exchanges (at);
