-- What ends before a time is told by the index: of a full day's rows only those that overlap are read themselves.
-- What somebody has is read in its order, also where two begin together.
-- Made first and named last: while they are made, everybody reads.
CREATE INDEX occupancy_by_resource_and_end ON occupancy (tenant, resource, from_ms, to_ms);
CREATE INDEX appointments_by_owner_in_order ON appointments (tenant, owner, start_ms, id);
DROP INDEX occupancy_by_resource;
ALTER INDEX occupancy_by_resource_and_end RENAME TO occupancy_by_resource;
DROP INDEX appointments_by_owner;
ALTER INDEX appointments_by_owner_in_order RENAME TO appointments_by_owner;
