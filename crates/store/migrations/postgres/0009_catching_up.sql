-- Asking calendars for what they told and nobody heard.
CREATE TABLE calendar_polls (
    tenant      TEXT NOT NULL PRIMARY KEY,
    since_ms    BIGINT NOT NULL, -- everything that changed before, by the calendar's clock, is known here
    lease_until BIGINT NOT NULL, -- nobody else asks before: one asks now, or there is nothing to ask yet
    begun_ms    BIGINT NOT NULL, -- when it was asked first
    answered_ms BIGINT           -- when it last answered
);
