-- A door may show another key, which nobody trusts before an operator says so; and one that was
-- trusted may be so no more, and is not taken for new.
ALTER TABLE event_key ADD COLUMN trusted boolean NOT NULL DEFAULT true;
ALTER TABLE event_key ADD COLUMN seen_at timestamptz NOT NULL DEFAULT now();
