-- Every SQL statement of the gateway, by name.

-- name: store
-- Readings and their outbox entries; nothing for a device's key that is there already, or twice in the batch.
-- The lock lets ids grow in the order of commits, over several gateways too: no reading ever appears below one
-- that a forwarder has seen. The notification names the devices, or nobody where they are too many to name.
SELECT pg_advisory_xact_lock(20825, 1);
WITH input AS (
    SELECT * FROM unnest(
        %(device_id)s::integer[], %(key)s::text[], %(temperature)s::float8[], %(humidity)s::float8[],
        %(light)s::float8[], %(age_s)s::integer[]
    ) WITH ORDINALITY AS input (device_id, idempotency_key, temperature, humidity, light, age_s, position)
), added AS (
    INSERT INTO reading (device_id, idempotency_key, temperature, humidity, light, measured_at)
    SELECT device_id, idempotency_key, temperature, humidity, light, now() - age_s * interval '1 second'
    FROM input ORDER BY position
    ON CONFLICT (device_id, idempotency_key) DO NOTHING
    RETURNING id, device_id, idempotency_key
), waiting AS (
    INSERT INTO outbox (reading_id, device_id) SELECT id, device_id FROM added
), news AS (
    SELECT pg_notify('outbox', CASE WHEN count(*) > 500 THEN '' ELSE string_agg(device_id::text, ',') END)
    FROM (SELECT DISTINCT device_id FROM added) AS devices HAVING count(*) > 0
)
SELECT device_id, idempotency_key, (SELECT count(*) FROM news) FROM added;

-- name: find_by_key
SELECT temperature, humidity, light FROM reading WHERE device_id = %(device_id)s AND idempotency_key = %(key)s;

-- name: revision
SELECT version_num FROM alembic_version;

-- name: listen
LISTEN outbox;

-- name: waiting_devices
-- Every device with a waiting reading: one look into the index for each, however long its queue is.
WITH RECURSIVE devices AS (
    (SELECT device_id FROM outbox ORDER BY device_id LIMIT 1)
    UNION ALL
    SELECT (SELECT outbox.device_id FROM outbox WHERE outbox.device_id > devices.device_id ORDER BY outbox.device_id LIMIT 1)
    FROM devices WHERE devices.device_id IS NOT NULL
)
SELECT device_id FROM devices WHERE device_id IS NOT NULL;

-- name: claim
-- Takes the lanes of these devices that are free and due; returns those with their attempts, the others with NULL
-- and how long until they may be free. Rows are locked in the order of their ids, so that two forwarders cannot
-- wait for each other.
WITH wanted AS (
    SELECT unnest(%(devices)s::integer[]) AS device_id ORDER BY 1
), claimed AS (
    INSERT INTO lane (device_id, claimed_until)
    SELECT device_id, now() + %(lease_s)s * interval '1 second' FROM wanted ORDER BY device_id
    ON CONFLICT (device_id) DO UPDATE SET claimed_until = excluded.claimed_until
    WHERE lane.claimed_until <= now() AND lane.due_at <= now()
    RETURNING device_id, attempts
)
SELECT wanted.device_id, claimed.attempts,
    extract(epoch FROM greatest(lane.claimed_until, lane.due_at, now()) - now())::float8
FROM wanted LEFT JOIN claimed USING (device_id) LEFT JOIN lane USING (device_id);

-- name: oldest
-- The oldest waiting readings of each of these devices.
SELECT oldest.* FROM unnest(%(devices)s::integer[]) AS wanted (device_id), LATERAL (
    SELECT outbox.reading_id, outbox.device_id, reading.idempotency_key,
        reading.temperature, reading.humidity, reading.light
    FROM outbox JOIN reading ON reading.id = outbox.reading_id
    WHERE outbox.device_id = wanted.device_id ORDER BY outbox.reading_id LIMIT %(limit)s
) AS oldest
ORDER BY oldest.device_id, oldest.reading_id;

-- name: settle
-- What became of readings, and the lanes given back: all in one transaction.
WITH dead AS (
    SELECT * FROM unnest(%(dead_readings)s::bigint[], %(dead_devices)s::integer[], %(dead_attempts)s::integer[],
        %(dead_errors)s::text[]) AS dead (reading_id, device_id, attempts, error)
), parked AS (
    INSERT INTO dead_letter (reading_id, device_id, attempts, error)
    SELECT reading_id, device_id, attempts, error FROM dead ON CONFLICT (reading_id) DO NOTHING
), gone AS (
    DELETE FROM outbox USING unnest(%(gone_devices)s::integer[], %(gone_readings)s::bigint[]) AS gone (device_id, reading_id)
    WHERE outbox.device_id = gone.device_id AND outbox.reading_id = gone.reading_id
)
UPDATE lane SET attempts = given.attempts, due_at = now() + given.delay_s * interval '1 second',
    claimed_until = '-infinity', last_error = given.error
FROM unnest(%(devices)s::integer[], %(attempts)s::integer[], %(delays_s)s::float8[], %(errors)s::text[])
    AS given (device_id, attempts, delay_s, error)
WHERE lane.device_id = given.device_id;
