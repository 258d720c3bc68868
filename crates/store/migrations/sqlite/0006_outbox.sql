-- Effects are expanded into one delivery per receiver. A row holds ids and facts, never a person's data.
ALTER TABLE outbox ADD COLUMN channel TEXT NOT NULL DEFAULT 'event';   -- event, webhook, mail
ALTER TABLE outbox ADD COLUMN target TEXT NOT NULL DEFAULT '';         -- business, business:DIGEST, caller; '' for an effect
ALTER TABLE outbox ADD COLUMN ordering TEXT NOT NULL DEFAULT '';       -- the appointment or the callback that it is about
ALTER TABLE outbox ADD COLUMN delivery_key TEXT NOT NULL DEFAULT '';   -- what a receiver tells repeats by; '' for an effect
ALTER TABLE outbox ADD COLUMN done_at INTEGER;

-- What was written before anything was delivered is old news: nobody hears of it now.
UPDATE outbox SET state = 'superseded', done_at = created_at WHERE state = 'waiting';

CREATE INDEX outbox_due ON outbox (state, not_before);
CREATE INDEX outbox_in_order ON outbox (tenant, ordering, channel, target, state, id);
