-- Asking calendars for what they told and nobody heard.
CREATE TABLE calendar_polls (
    tenant      TEXT NOT NULL PRIMARY KEY,
    since_ms    INTEGER NOT NULL, -- everything that changed before, by the calendar's clock, is known here
    lease_until INTEGER NOT NULL, -- nobody else asks before: one asks now, or there is nothing to ask yet
    begun_ms    INTEGER NOT NULL, -- when it was asked first
    answered_ms INTEGER           -- when it last answered
) STRICT;

-- What the platform says of a call in numbers.
ALTER TABLE calls ADD COLUMN duration_ms INTEGER;
ALTER TABLE calls ADD COLUMN cost_micros INTEGER;   -- millionths of the currency's unit
ALTER TABLE calls ADD COLUMN cost_currency TEXT;
ALTER TABLE calls ADD COLUMN said_successful INTEGER; -- its own analysis; ours is derived from what is known here
