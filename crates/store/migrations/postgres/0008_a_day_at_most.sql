-- A stretch that blocks is at most a day long: a longer one is a row for each day. So whoever looks for an overlap
-- looks at a day, not at everything that the resource ever served.
-- The constraints hold for rows of any length, so that a gateway of the release before may still write them.
DROP TRIGGER occupancy_never_moves ON occupancy;
INSERT INTO occupancy (tenant, resource, from_ms, to_ms, kind, owner, call_id, until_ms, replaces, intent, made_ms)
WITH RECURSIVE piece (id, from_ms, to_ms) AS (
    SELECT id, from_ms + 86400000, to_ms FROM occupancy WHERE to_ms - from_ms > 86400000
    UNION ALL
    SELECT id, from_ms + 86400000, to_ms FROM piece WHERE to_ms - from_ms > 86400000
)
SELECT it.tenant, it.resource, piece.from_ms, LEAST(piece.from_ms + 86400000, piece.to_ms), it.kind, it.owner, it.call_id,
       it.until_ms, it.replaces, it.intent, it.made_ms
FROM piece JOIN occupancy AS it ON it.id = piece.id;
UPDATE occupancy SET to_ms = from_ms + 86400000 WHERE to_ms - from_ms > 86400000;
CREATE TRIGGER occupancy_never_moves BEFORE UPDATE OF tenant, resource, from_ms, to_ms, kind, owner ON occupancy
FOR EACH ROW EXECUTE FUNCTION refused('occupancy rows are replaced, never changed');

CREATE OR REPLACE FUNCTION occupancy_makes_room() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('occupancy ' || NEW.tenant, 0));
    DELETE FROM occupancy
    WHERE tenant = NEW.tenant AND resource = NEW.resource AND from_ms < NEW.to_ms AND from_ms > NEW.from_ms - 86400000
      AND to_ms > NEW.from_ms AND until_ms <= NEW.made_ms;
    RETURN NEW;
END
$$;

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
