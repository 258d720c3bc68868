-- What calendars tell of their bookings without being asked.

-- What a booking keeps over every move.
ALTER TABLE appointments ADD COLUMN ical_uid TEXT;
-- `here`, or `calendar`: made elsewhere and told to us.
ALTER TABLE appointments ADD COLUMN origin TEXT NOT NULL DEFAULT 'here';
CREATE INDEX appointments_by_ical ON appointments (tenant, ical_uid) WHERE ical_uid IS NOT NULL;

-- The newest that was told of a booking: what is older changes nothing any more.
CREATE TABLE calendar_marks (
    tenant   TEXT NOT NULL,
    booking  TEXT NOT NULL,       -- its iCalendar uid, else the calendar's own
    sequence BIGINT,
    told_ms  BIGINT NOT NULL,
    kind     TEXT NOT NULL,
    PRIMARY KEY (tenant, booking)
);

-- Which calls ended a moment ago.
CREATE INDEX call_events_by_time ON call_events (name, at);
