-- What ends before a time is told by the index: of a full day's rows only those that overlap are read themselves.
DROP INDEX occupancy_by_resource;
CREATE INDEX occupancy_by_resource ON occupancy (tenant, resource, from_ms, to_ms);
