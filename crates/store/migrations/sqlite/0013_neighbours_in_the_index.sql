-- What ends before a time is told by the index: of a full day's rows only those that overlap are read themselves.
DROP INDEX occupancy_by_resource;
CREATE INDEX occupancy_by_resource ON occupancy (tenant, resource, from_ms, to_ms);
-- What somebody has is read in its order, also where two begin together.
DROP INDEX appointments_by_owner;
CREATE INDEX appointments_by_owner ON appointments (tenant, owner, start_ms, id);
