-- Every SQL statement about device keys, by name.

-- name: key_version
-- Another one after every change of a key, so that keys can be kept in memory.
SELECT version FROM device_key_version;

-- name: keys_of_devices
-- All keys of these devices: secrets of those that are valid now, and for how many seconds yet where that is limited;
-- the others for whether the device ever signed.
SELECT device_id, number, CASE WHEN revoked_at IS NULL AND (valid_until IS NULL OR valid_until > now()) THEN secret END,
    first_used_at IS NOT NULL, extract(epoch FROM valid_until - now())::float8
FROM device_key WHERE device_id = ANY (%(devices)s::integer[]);

-- name: mark_first_use
-- A key that is marked already keeps its time. Locked in order, so that two gateways cannot wait for each other.
WITH used AS MATERIALIZED (
    SELECT device_id, number FROM device_key
    JOIN unnest(%(devices)s::integer[], %(numbers)s::integer[]) AS named (device_id, number) USING (device_id, number)
    WHERE first_used_at IS NULL ORDER BY device_id, number FOR UPDATE OF device_key
)
UPDATE device_key SET first_used_at = now() FROM used
WHERE device_key.device_id = used.device_id AND device_key.number = used.number;

-- name: raise_sequences
-- For each row, in their order, whether it is above all that its device sent before it, in this batch or earlier; the
-- highest of each device is kept. Rows without boot are unsigned and always pass. To be called in the transaction that
-- stores the readings, under its lock, so that nobody else raises a sequence in between. A row that does not pass is a
-- repeat where its key is stored, and a replay where it is not.
WITH input AS (
    SELECT *, CASE WHEN boot IS NOT NULL THEN ARRAY[boot, sequence] END AS counted
    FROM unnest(%(device_id)s::integer[], %(boot)s::bigint[], %(sequence)s::bigint[])
        WITH ORDINALITY AS input (device_id, boot, sequence, position)
), before AS (
    SELECT input.*, greatest(
        max(counted) OVER (
            PARTITION BY input.device_id ORDER BY position ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ),
        (SELECT ARRAY[kept.boot, kept.sequence] FROM device_sequence AS kept WHERE kept.device_id = input.device_id)
    ) AS highest
    FROM input
), judged AS (
    SELECT position, device_id, boot, sequence, counted,
        counted IS NULL OR highest IS NULL OR counted > highest AS passes
    FROM before
), raised AS (
    INSERT INTO device_sequence (device_id, boot, sequence)
    SELECT DISTINCT ON (device_id) device_id, boot, sequence FROM judged WHERE passes AND counted IS NOT NULL
    ORDER BY device_id, counted DESC
    ON CONFLICT (device_id) DO UPDATE SET boot = excluded.boot, sequence = excluded.sequence
    WHERE (device_sequence.boot, device_sequence.sequence) < (excluded.boot, excluded.sequence)
)
SELECT passes FROM judged ORDER BY position;

-- name: lock_device
-- One command at a time changes a device's keys.
SELECT pg_advisory_xact_lock(20826, %(device_id)s);

-- name: keys_of_device
SELECT number, revoked_at IS NULL AND (valid_until IS NULL OR valid_until > now())
FROM device_key WHERE device_id = %(device_id)s ORDER BY number;

-- name: add_key
INSERT INTO device_key (device_id, number, secret) VALUES (%(device_id)s, %(number)s, %(secret)s);

-- name: end_after_grace
-- The usable keys of a device below a number; one that ends sooner anyway keeps its end.
UPDATE device_key SET valid_until = least(valid_until, now() + %(grace_s)s * interval '1 second')
WHERE device_id = %(device_id)s AND number < %(below)s AND revoked_at IS NULL
    AND (valid_until IS NULL OR valid_until > now())
RETURNING number, valid_until;

-- name: revoke
UPDATE device_key SET revoked_at = now()
WHERE device_id = %(device_id)s AND number = ANY (%(numbers)s::integer[]) AND revoked_at IS NULL;

-- name: list_keys
SELECT device_id, number, created_at, valid_until, revoked_at, first_used_at, boot, sequence,
    CASE WHEN revoked_at IS NOT NULL THEN 'revoked' WHEN valid_until IS NULL THEN 'active'
        WHEN valid_until > now() THEN 'grace' ELSE 'expired' END
FROM device_key LEFT JOIN device_sequence USING (device_id) ORDER BY device_id, number;

-- name: sealed_keys
-- Those that are valid now.
SELECT device_id, number, secret FROM device_key
WHERE revoked_at IS NULL AND (valid_until IS NULL OR valid_until > now()) ORDER BY device_id, number;

-- name: lock_keys
-- Until the transaction ends nobody else changes any key; they can be read.
LOCK TABLE device_key IN SHARE ROW EXCLUSIVE MODE;

-- name: reseal
UPDATE device_key SET secret = %(secret)s WHERE device_id = %(device_id)s AND number = %(number)s;
