-- The parts of an appointment that is booked piece by piece, and where each stands in the calendar.
CREATE TABLE appointment_parts (
    tenant       TEXT NOT NULL,
    appointment  TEXT NOT NULL,
    part         BIGINT NOT NULL,   -- from 0
    event_type   BIGINT NOT NULL,
    after_ms     BIGINT NOT NULL,   -- from the start of the appointment on
    start_ms     BIGINT NOT NULL,   -- where it is in the calendar, as far as is known
    end_ms       BIGINT NOT NULL,
    state        TEXT NOT NULL,
    calendar_uid TEXT,
    updated_at   BIGINT NOT NULL,
    PRIMARY KEY (tenant, appointment, part)
);
CREATE UNIQUE INDEX appointment_parts_by_uid ON appointment_parts (tenant, calendar_uid) WHERE calendar_uid IS NOT NULL;

-- What a hold will be booked as, JSON; NULL where the whole is one booking.
ALTER TABLE holds ADD COLUMN parts TEXT;
