-- Asking calendars for what they told and nobody heard.
CREATE TABLE calendar_polls (
    tenant      TEXT NOT NULL PRIMARY KEY,
    since_ms    BIGINT NOT NULL, -- everything that changed before, by the calendar's clock, is known here
    lease_until BIGINT NOT NULL, -- nobody else asks before: one asks now, or there is nothing to ask yet
    begun_ms    BIGINT NOT NULL, -- when it was asked first
    answered_ms BIGINT           -- when it last answered
);

-- What the platform says of a call in numbers.
ALTER TABLE calls ADD COLUMN duration_ms BIGINT;
ALTER TABLE calls ADD COLUMN cost_micros BIGINT;   -- millionths of the currency's unit
ALTER TABLE calls ADD COLUMN cost_currency TEXT;
ALTER TABLE calls ADD COLUMN said_successful BIGINT; -- its own analysis; ours is derived from what is known here
