-- A stretch that blocks is at most a day long: a longer one is a row for each day. So whoever looks for an overlap
-- looks at a day, not at everything that the resource ever served.
DROP TRIGGER occupancy_excludes_overlap;
DROP TRIGGER occupancy_never_moves;
INSERT INTO occupancy (tenant, resource, from_ms, to_ms, kind, owner, call_id, until_ms, replaces, intent, made_ms)
WITH RECURSIVE piece (id, from_ms, to_ms) AS (
    SELECT id, from_ms + 86400000, to_ms FROM occupancy WHERE to_ms - from_ms > 86400000
    UNION ALL
    SELECT id, from_ms + 86400000, to_ms FROM piece WHERE to_ms - from_ms > 86400000
)
SELECT it.tenant, it.resource, piece.from_ms, MIN(piece.from_ms + 86400000, piece.to_ms), it.kind, it.owner, it.call_id,
       it.until_ms, it.replaces, it.intent, it.made_ms
FROM piece JOIN occupancy AS it ON it.id = piece.id;
UPDATE occupancy SET to_ms = from_ms + 86400000 WHERE to_ms - from_ms > 86400000;

CREATE TRIGGER occupancy_is_a_day_at_most BEFORE INSERT ON occupancy
WHEN NEW.to_ms - NEW.from_ms > 86400000
BEGIN
    SELECT RAISE(ABORT, 'a stretch of more than a day');
END;

CREATE TRIGGER occupancy_excludes_overlap BEFORE INSERT ON occupancy
WHEN EXISTS (
    SELECT 1 FROM occupancy AS other
    WHERE other.tenant = NEW.tenant
      AND other.resource = NEW.resource
      AND other.from_ms < NEW.to_ms
      AND other.from_ms > NEW.from_ms - 86400000
      AND other.to_ms > NEW.from_ms
      AND other.owner <> NEW.owner
      AND (other.until_ms IS NULL OR other.until_ms > NEW.made_ms)
      AND NOT (other.kind = 'hold' AND NEW.kind = 'hold' AND other.call_id IS NOT NULL AND other.call_id IS NEW.call_id)
      AND (NEW.replaces IS NULL OR other.owner <> NEW.replaces)
      AND (other.replaces IS NULL OR other.replaces <> NEW.owner)
)
BEGIN
    SELECT RAISE(ABORT, 'occupied');
END;

CREATE TRIGGER occupancy_never_moves BEFORE UPDATE OF tenant, resource, from_ms, to_ms, kind, owner ON occupancy
BEGIN
    SELECT RAISE(ABORT, 'occupancy rows are replaced, never changed');
END;

-- Nobody asks for the holds of a call by this.
DROP INDEX holds_by_call;
-- What is over is looked for by nobody who hurries.
DROP INDEX intents_due;
CREATE INDEX intents_due ON intents (lease_until) WHERE state IN ('open', 'watched', 'undoing');
DROP INDEX outbox_due;
CREATE INDEX outbox_due ON outbox (not_before) WHERE state = 'waiting';
CREATE INDEX outbox_dead ON outbox (id) WHERE state = 'dead';
DROP INDEX outbox_in_order;
CREATE INDEX outbox_by_ordering ON outbox (tenant, ordering);
