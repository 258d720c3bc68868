-- A call's holds, and holds that are over, without reading the tenant's whole diary.
CREATE INDEX occupancy_by_call ON occupancy (tenant, call_id) WHERE call_id IS NOT NULL;
CREATE INDEX occupancy_by_end ON occupancy (until_ms) WHERE until_ms IS NOT NULL;
