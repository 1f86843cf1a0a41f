"""Devices, readings, and the outbox of readings that still wait for the backend."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None
phase = "post"

UP = """
CREATE TABLE device (
    id         integer PRIMARY KEY CHECK (id > 0),
    created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE device IS 'Devices that an operator made known; a reading may come from others too.';

CREATE TABLE reading (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    device_id       integer NOT NULL CHECK (device_id > 0),
    idempotency_key text CHECK (length(idempotency_key) BETWEEN 1 AND 64),
    temperature     double precision CHECK (temperature BETWEEN -40 AND 85),
    humidity        double precision CHECK (humidity BETWEEN 0 AND 1000),
    light           double precision CHECK (light BETWEEN 0 AND 2000),
    measured_at     timestamptz NOT NULL,
    received_at     timestamptz NOT NULL DEFAULT now(),
    UNIQUE (device_id, idempotency_key)
);
COMMENT ON TABLE reading IS 'Every reading that was acknowledged, as the board sent it; rows are only ever added.';

CREATE TABLE outbox (
    reading_id      bigint PRIMARY KEY REFERENCES reading (id),
    device_id       integer NOT NULL,
    attempts        integer NOT NULL DEFAULT 0,
    next_attempt_at timestamptz NOT NULL DEFAULT now(),
    parked_at       timestamptz,
    last_error      text
);
COMMENT ON TABLE outbox IS 'Readings that the backend does not have yet; a parked one was refused for good.';
CREATE INDEX outbox_in_order ON outbox (device_id, reading_id) WHERE parked_at IS NULL;
"""

DOWN = "DROP TABLE outbox; DROP TABLE reading; DROP TABLE device;"


def upgrade() -> None:
    """Make the tables."""
    op.execute(UP)


def downgrade() -> None:
    """Drop them, readings and all."""
    op.execute(DOWN)
