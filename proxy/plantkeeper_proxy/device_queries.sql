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
-- Returns the version after this change, in the transaction that made it.
WITH used AS MATERIALIZED (
    SELECT device_id, number FROM device_key
    JOIN unnest(%(devices)s::integer[], %(numbers)s::integer[]) AS named (device_id, number) USING (device_id, number)
    WHERE first_used_at IS NULL ORDER BY device_id, number FOR UPDATE OF device_key
)
UPDATE device_key SET first_used_at = now() FROM used
WHERE device_key.device_id = used.device_id AND device_key.number = used.number;
SELECT version FROM device_key_version;

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
