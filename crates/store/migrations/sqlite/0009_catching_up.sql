-- Asking calendars for what they told and nobody heard.
CREATE TABLE calendar_polls (
    tenant      TEXT NOT NULL PRIMARY KEY,
    since_ms    INTEGER NOT NULL, -- everything that changed before, by the calendar's clock, is known here
    lease_until INTEGER NOT NULL, -- nobody else asks before: one asks now, or there is nothing to ask yet
    begun_ms    INTEGER NOT NULL, -- when it was asked first
    answered_ms INTEGER           -- when it last answered
) STRICT;
