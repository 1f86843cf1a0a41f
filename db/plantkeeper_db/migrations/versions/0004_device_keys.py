"""Keys that devices sign with, and how far each device has counted."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None
phase = "post"

UP = """
CREATE TABLE device_key (
    device_id     integer NOT NULL CHECK (device_id > 0),
    number        integer NOT NULL CHECK (number > 0),
    secret        bytea NOT NULL CHECK (length(secret) = 60),
    created_at    timestamptz NOT NULL DEFAULT now(),
    valid_until   timestamptz,
    revoked_at    timestamptz,
    first_used_at timestamptz,
    PRIMARY KEY (device_id, number)
);
COMMENT ON TABLE device_key IS 'Keys that devices sign with; never deleted, so that no number comes twice.';
COMMENT ON COLUMN device_key.secret IS 'Nonce (12 bytes), then key and tag, encrypted under the gateway''s master key.';
COMMENT ON COLUMN device_key.valid_until IS 'End of the grace period of a key that was rotated; NULL for one in force.';
COMMENT ON COLUMN device_key.first_used_at IS 'First valid signature; from then on the device must sign.';

CREATE TABLE device_key_version (
    one     boolean PRIMARY KEY DEFAULT true CHECK (one),
    version bigint NOT NULL
);
COMMENT ON TABLE device_key_version IS 'One row, which changes with device_key: gateways keep keys until it does.';
INSERT INTO device_key_version (version) VALUES (1);
CREATE FUNCTION device_key_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE device_key_version SET version = version + 1;
    RETURN NULL;
END $$;
CREATE TRIGGER device_key_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON device_key
    FOR EACH STATEMENT EXECUTE FUNCTION device_key_changed();

-- One row a device, written with every batch: room on the page for its next version, dead ones cleared away early.
CREATE TABLE device_sequence (
    device_id integer PRIMARY KEY,
    boot      bigint NOT NULL CHECK (boot BETWEEN 1 AND 4294967295),
    sequence  bigint NOT NULL CHECK (sequence BETWEEN 1 AND 4294967295)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000,
    autovacuum_vacuum_cost_delay = 0);
COMMENT ON TABLE device_sequence IS 'The highest count that a device signed; what is not above it is a replay.';
"""

DOWN = """
DROP TABLE device_sequence;
DROP TABLE device_key;
DROP FUNCTION device_key_changed();
DROP TABLE device_key_version;
"""


def upgrade() -> None:
    """Make the tables."""
    op.execute(UP)


def downgrade() -> None:
    """Drop them, keys and all: devices have to be given new ones."""
    op.execute(DOWN)
