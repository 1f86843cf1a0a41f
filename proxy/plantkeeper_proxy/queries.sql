-- Every SQL statement of the gateway, by name.

-- name: store
-- One reading and its outbox entry; nothing where the device's key is there already.
-- The lock lets readings of one device commit in the order of their ids.
SELECT pg_advisory_xact_lock(20825, %(device_id)s);
WITH added AS (
    INSERT INTO reading (device_id, idempotency_key, temperature, humidity, light, measured_at)
    VALUES (%(device_id)s, %(key)s, %(temperature)s, %(humidity)s, %(light)s, now() - %(age_s)s * interval '1 second')
    ON CONFLICT (device_id, idempotency_key) DO NOTHING
    RETURNING id, device_id
), waiting AS (
    INSERT INTO outbox (reading_id, device_id) SELECT id, device_id FROM added
)
SELECT id, pg_notify('outbox', '') FROM added;

-- name: find_by_key
SELECT id, temperature, humidity, light FROM reading WHERE device_id = %(device_id)s AND idempotency_key = %(key)s;

-- name: revision
SELECT version_num FROM alembic_version;

-- name: lead
-- Only one forwarder sends at a time, or readings could overtake one another.
SELECT pg_try_advisory_lock(20826, 1);

-- name: listen
LISTEN outbox;

-- name: heads
-- The oldest waiting reading of each device, and how long until its next attempt is due.
SELECT DISTINCT ON (outbox.device_id)
    outbox.reading_id, outbox.device_id, reading.idempotency_key, reading.temperature, reading.humidity, reading.light,
    outbox.attempts, extract(epoch FROM outbox.next_attempt_at - now())::float8 AS due_in_s
FROM outbox JOIN reading ON reading.id = outbox.reading_id
WHERE outbox.parked_at IS NULL AND NOT outbox.device_id = ANY(%(busy)s)
ORDER BY outbox.device_id, outbox.reading_id;

-- name: delivered
DELETE FROM outbox WHERE reading_id = %(reading_id)s;

-- name: retry
UPDATE outbox
SET attempts = attempts + 1, next_attempt_at = now() + %(delay_s)s * interval '1 second', last_error = %(error)s
WHERE reading_id = %(reading_id)s;

-- name: park
UPDATE outbox SET attempts = attempts + 1, parked_at = now(), last_error = %(error)s
WHERE reading_id = %(reading_id)s;
