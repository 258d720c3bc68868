-- Every index that a hold touches is a page more in its commit.
-- What blocks a resource is asked for resource by resource.
DROP INDEX occupancy_by_time;
-- Holds know when they are over.
DROP INDEX occupancy_by_end;

CREATE TABLE holds_without_row_numbers (
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
    parts      TEXT,
    PRIMARY KEY (tenant, id)
) STRICT, WITHOUT ROWID;
INSERT INTO holds_without_row_numbers (tenant, id, call_id, service, staff, resource, event_type, start_ms, end_ms, busy,
                                       until_ms, replaces, parts)
SELECT tenant, id, call_id, service, staff, resource, event_type, start_ms, end_ms, busy, until_ms, replaces, parts
FROM holds ORDER BY tenant, id;
DROP TABLE holds;
ALTER TABLE holds_without_row_numbers RENAME TO holds;
CREATE INDEX holds_by_end ON holds (until_ms);
