"""An outbox that holds the values themselves; lanes, in which forwarders take turns; dead letters; forwarders' word."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None
phase = "post"

UP = """
CREATE TABLE lane (
    device_id     integer PRIMARY KEY,
    owner         text,
    claimed_until timestamptz NOT NULL DEFAULT '-infinity',
    due_at        timestamptz NOT NULL DEFAULT '-infinity',
    attempts      integer NOT NULL DEFAULT 0,
    last_error    text
) WITH (fillfactor = 50); -- room on the page for the next version of a row, so that its index stays as it is
COMMENT ON TABLE lane IS 'Who may send a device''s readings: one forwarder at a time, until claimed_until.';

CREATE TABLE dead_letter (
    reading_id      bigint PRIMARY KEY,
    device_id       integer NOT NULL,
    idempotency_key text,
    temperature     double precision,
    humidity        double precision,
    light           double precision,
    received_at     timestamptz NOT NULL,
    parked_at       timestamptz NOT NULL DEFAULT now(),
    attempts        integer NOT NULL,
    error           text NOT NULL
);
COMMENT ON TABLE dead_letter IS 'Readings that the backend refused for good; kept until somebody decides.';

ALTER TABLE outbox RENAME TO outbox_before;
ALTER TABLE outbox_before RENAME CONSTRAINT outbox_pkey TO outbox_before_pkey;
-- A reading's values stand here too: it is forwarded without a look into the partitions. The one index gives a device's
-- oldest reading, and the devices that wait, however long their queues are.
CREATE TABLE outbox (
    reading_id      bigint NOT NULL,
    device_id       integer NOT NULL,
    idempotency_key text,
    temperature     double precision,
    humidity        double precision,
    light           double precision,
    received_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (device_id, reading_id)
);
COMMENT ON TABLE outbox IS 'Readings that the backend does not have yet; a row goes when it has.';
INSERT INTO dead_letter (reading_id, device_id, idempotency_key, temperature, humidity, light, received_at, parked_at,
    attempts, error)
SELECT id, reading.device_id, idempotency_key, temperature, humidity, light, received_at, parked_at, attempts,
    coalesce(last_error, 'parked')
FROM outbox_before JOIN reading ON reading.id = reading_id WHERE parked_at IS NOT NULL;
INSERT INTO outbox (reading_id, device_id, idempotency_key, temperature, humidity, light, received_at)
SELECT id, reading.device_id, idempotency_key, temperature, humidity, light, received_at
FROM outbox_before JOIN reading ON reading.id = reading_id WHERE parked_at IS NULL;
DROP TABLE outbox_before;

-- Rows live for milliseconds: dead ones are cleared away after every few thousand, not after a share of the table,
-- and without pauses, or each look for a device's oldest row would step over all that were delivered before.
ALTER TABLE outbox SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000,
    autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 50000,
    autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 50000, autovacuum_vacuum_cost_delay = 0);
ALTER TABLE lane SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000,
    autovacuum_vacuum_cost_delay = 0);

CREATE TABLE forwarder (
    name       text PRIMARY KEY,
    seen_at    timestamptz NOT NULL DEFAULT now(),
    counters   jsonb NOT NULL,
    alarms     jsonb NOT NULL DEFAULT '{}'
) WITH (fillfactor = 50);
COMMENT ON TABLE forwarder IS 'What each forwarder says of itself, for health and metrics; nothing depends on it.';
"""

DOWN = """
DROP TABLE forwarder;
ALTER TABLE outbox RENAME TO outbox_after;
ALTER TABLE outbox_after RENAME CONSTRAINT outbox_pkey TO outbox_after_pkey;
CREATE TABLE outbox (
    reading_id      bigint PRIMARY KEY,
    device_id       integer NOT NULL,
    attempts        integer NOT NULL DEFAULT 0,
    next_attempt_at timestamptz NOT NULL DEFAULT now(),
    parked_at       timestamptz,
    last_error      text
);
INSERT INTO outbox (reading_id, device_id) SELECT reading_id, device_id FROM outbox_after;
INSERT INTO outbox (reading_id, device_id, attempts, parked_at, last_error)
SELECT reading_id, device_id, attempts, parked_at, error FROM dead_letter;
CREATE INDEX outbox_in_order ON outbox (device_id, reading_id) WHERE parked_at IS NULL;
DROP TABLE outbox_after;
DROP TABLE dead_letter;
DROP TABLE lane;
"""


def upgrade() -> None:
    """Make the tables; what waits goes on waiting."""
    op.execute(UP)


def downgrade() -> None:
    """Put parked readings back where they were."""
    op.execute(DOWN)
