"""Lanes, in which forwarders take turns device by device; dead letters in a table of their own."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

UP = """
CREATE TABLE lane (
    device_id     integer PRIMARY KEY,
    attempts      integer NOT NULL DEFAULT 0,
    due_at        timestamptz NOT NULL DEFAULT '-infinity',
    claimed_until timestamptz NOT NULL DEFAULT '-infinity',
    last_error    text
) WITH (fillfactor = 50);
COMMENT ON TABLE lane IS 'Who may send a device''s readings: one forwarder at a time, until claimed_until.';

CREATE TABLE dead_letter (
    reading_id bigint PRIMARY KEY REFERENCES reading (id),
    device_id  integer NOT NULL,
    parked_at  timestamptz NOT NULL DEFAULT now(),
    attempts   integer NOT NULL,
    error      text NOT NULL
);
COMMENT ON TABLE dead_letter IS 'Readings that the backend refused for good; kept until somebody decides.';

INSERT INTO dead_letter (reading_id, device_id, parked_at, attempts, error)
SELECT reading_id, device_id, parked_at, attempts, coalesce(last_error, '') FROM outbox WHERE parked_at IS NOT NULL;
DELETE FROM outbox WHERE parked_at IS NOT NULL;

DROP INDEX outbox_in_order;
ALTER TABLE outbox DROP COLUMN attempts, DROP COLUMN next_attempt_at, DROP COLUMN parked_at, DROP COLUMN last_error,
    DROP CONSTRAINT outbox_pkey, ADD PRIMARY KEY (device_id, reading_id);
COMMENT ON TABLE outbox IS 'Readings that the backend does not have yet. Its one index gives a device''s oldest first.';

-- Rows live for milliseconds: dead ones are cleared away after every few thousand, not after a share of the table,
-- or each look for a device's oldest row would step over all that were delivered before.
ALTER TABLE outbox SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000,
    autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 50000,
    autovacuum_vacuum_cost_delay = 0);
ALTER TABLE lane SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000,
    autovacuum_vacuum_cost_delay = 0);
"""

DOWN = """
ALTER TABLE outbox DROP CONSTRAINT outbox_pkey, ADD PRIMARY KEY (reading_id),
    ADD COLUMN attempts integer NOT NULL DEFAULT 0, ADD COLUMN next_attempt_at timestamptz NOT NULL DEFAULT now(),
    ADD COLUMN parked_at timestamptz, ADD COLUMN last_error text;
INSERT INTO outbox (reading_id, device_id, attempts, parked_at, last_error)
SELECT reading_id, device_id, attempts, parked_at, error FROM dead_letter;
CREATE INDEX outbox_in_order ON outbox (device_id, reading_id) WHERE parked_at IS NULL;
DROP TABLE dead_letter;
DROP TABLE lane;
"""


def upgrade() -> None:
    """Make the tables; what waits goes on waiting."""
    op.execute(UP)


def downgrade() -> None:
    """Put parked readings back where they were."""
    op.execute(DOWN)
