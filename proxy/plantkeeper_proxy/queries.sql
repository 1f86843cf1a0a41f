-- Every SQL statement of the gateway, by name.

-- name: store
-- Readings with their outbox entries, in one transaction; nothing for a device's key that is there already, or twice
-- in the batch, nor for a signed one (with boot and sequence) that is not above all that its device signed before it.
-- Nothing at all where device keys have changed since the batch was judged (`version`).
-- Returns the positions (from 1) of those that are new, and the version of the keys.
-- The lock lets ids grow in the order of commits, over several gateways too: no reading ever appears below one that a
-- forwarder has seen. It is held by the server alone, so that a gateway that hangs holds up no other.
-- `news` is what forwarders are told, or NULL (news.py).
SELECT pg_advisory_xact_lock(20825, 1);
WITH input AS MATERIALIZED (
    SELECT nextval('reading_id') AS id, sent.*, CASE WHEN boot IS NOT NULL THEN ARRAY[boot, sequence] END AS counted
    FROM unnest(
        %(device_id)s::integer[], %(key)s::text[], %(temperature)s::float8[], %(humidity)s::float8[],
        %(light)s::float8[], %(age_s)s::integer[], %(boot)s::bigint[], %(sequence)s::bigint[]
    ) WITH ORDINALITY
        AS sent (device_id, idempotency_key, temperature, humidity, light, age_s, boot, sequence, position)
    WHERE (SELECT version FROM device_key_version) = %(version)s::bigint
), judged AS MATERIALIZED (
    SELECT *, counted IS NULL OR coalesce(counted > greatest(
        (SELECT ARRAY[before.boot, before.sequence] FROM device_sequence AS before
            WHERE before.device_id = input.device_id),
        max(counted) OVER (
            PARTITION BY device_id ORDER BY position ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        )
    ), true) AS passes
    FROM input
), raised AS (
    INSERT INTO device_sequence (device_id, boot, sequence)
    SELECT DISTINCT ON (device_id) device_id, boot, sequence FROM judged WHERE passes AND counted IS NOT NULL
    ORDER BY device_id, counted DESC
    ON CONFLICT (device_id) DO UPDATE SET boot = excluded.boot, sequence = excluded.sequence
), key AS (
    INSERT INTO reading_key (device_id, idempotency_key, reading_id)
    SELECT device_id, idempotency_key, id FROM judged WHERE idempotency_key IS NOT NULL AND passes
    ON CONFLICT DO NOTHING
    RETURNING reading_id
), fresh AS MATERIALIZED (
    SELECT * FROM judged WHERE idempotency_key IS NULL OR id IN (SELECT reading_id FROM key)
), added AS (
    INSERT INTO reading (id, device_id, idempotency_key, temperature, humidity, light, measured_at)
    SELECT id, device_id, idempotency_key, temperature, humidity, light, now() - age_s * interval '1 second' FROM fresh
), waiting AS (
    INSERT INTO outbox (reading_id, device_id, idempotency_key, temperature, humidity, light)
    SELECT id, device_id, idempotency_key, temperature, humidity, light FROM fresh
)
SELECT coalesce(array_agg(position), '{}'), (SELECT version FROM device_key_version),
    (SELECT pg_notify('outbox', %(news)s::text) WHERE %(news)s IS NOT NULL)
FROM fresh;

-- name: store_bare
-- As `store`, for readings without a key that nobody signed, such as boards in the field post: each is new.
SELECT pg_advisory_xact_lock(20825, 1);
WITH input AS MATERIALIZED (
    SELECT nextval('reading_id') AS id, sent.*
    FROM unnest(
        %(device_id)s::integer[], %(temperature)s::float8[], %(humidity)s::float8[], %(light)s::float8[],
        %(age_s)s::integer[]
    ) WITH ORDINALITY AS sent (device_id, temperature, humidity, light, age_s, position)
    WHERE (SELECT version FROM device_key_version) = %(version)s::bigint
), added AS (
    INSERT INTO reading (id, device_id, temperature, humidity, light, measured_at)
    SELECT id, device_id, temperature, humidity, light, now() - age_s * interval '1 second' FROM input
), waiting AS (
    INSERT INTO outbox (reading_id, device_id, temperature, humidity, light)
    SELECT id, device_id, temperature, humidity, light FROM input
)
SELECT coalesce(array_agg(position), '{}'), (SELECT version FROM device_key_version),
    (SELECT pg_notify('outbox', %(news)s::text) WHERE %(news)s IS NOT NULL)
FROM input;

-- name: tell
SELECT pg_notify('outbox', %(news)s::text);

-- name: find_by_key
SELECT temperature, humidity, light FROM reading_key
JOIN reading ON reading.device_id = reading_key.device_id AND reading.id = reading_key.reading_id
    AND reading.received_at = reading_key.received_at
WHERE reading_key.device_id = %(device_id)s::integer AND reading_key.idempotency_key = %(key)s::text;

-- name: make_durable
-- Where a role's or a database's settings say otherwise: a commit counts once it is on disk.
SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off';

-- name: revision
-- The schema's revision, and the oldest that a gateway may need to work on it: `plantkeeper-db migrate` notes it there.
SELECT version_num, substring(obj_description('alembic_version'::regclass, 'pg_class') FROM '^works since (.+)$')
FROM alembic_version;

-- name: listen
LISTEN outbox;

-- name: waiting_devices
-- Every device with a waiting reading: one look into the index for each, however long its queue is.
WITH RECURSIVE devices AS (
    (SELECT device_id FROM outbox ORDER BY device_id LIMIT 1)
    UNION ALL
    SELECT (SELECT outbox.device_id FROM outbox WHERE outbox.device_id > devices.device_id
        ORDER BY outbox.device_id LIMIT 1)
    FROM devices WHERE devices.device_id IS NOT NULL
)
SELECT device_id FROM devices WHERE device_id IS NOT NULL;

-- name: make_lanes
INSERT INTO lane (device_id) SELECT unnest(%(devices)s::integer[]) ORDER BY 1 ON CONFLICT DO NOTHING;

-- name: claim
-- Takes or keeps the lanes of these devices that are due and nobody else's. Returns those with the attempts that
-- failed so far, the others with NULL and how long until they may be free.
WITH free AS (
    SELECT device_id FROM lane
    WHERE device_id = ANY (%(devices)s::integer[]) AND due_at <= now()
        AND (claimed_until <= now() OR owner = %(owner)s::text)
    FOR UPDATE SKIP LOCKED
), claimed AS (
    UPDATE lane SET owner = %(owner)s, claimed_until = now() + %(lease_s)s::float8 * interval '1 second'
    FROM free WHERE lane.device_id = free.device_id
    RETURNING lane.device_id, lane.attempts
)
SELECT lane.device_id, claimed.attempts, extract(epoch FROM greatest(
    lane.due_at, CASE WHEN lane.owner = %(owner)s THEN now() ELSE lane.claimed_until END, now()) - now())::float8
FROM lane LEFT JOIN claimed USING (device_id) WHERE lane.device_id = ANY (%(devices)s::integer[]);

-- name: oldest
-- The oldest waiting readings of each of these devices.
SELECT oldest.* FROM unnest(%(devices)s::integer[]) AS wanted (device_id), LATERAL (
    SELECT reading_id, outbox.device_id, idempotency_key, temperature, humidity, light,
        extract(epoch FROM received_at)::float8
    FROM outbox WHERE outbox.device_id = wanted.device_id ORDER BY reading_id LIMIT %(limit)s::bigint
) AS oldest
ORDER BY 2, 1;

-- name: delivered
-- The backend has these.
DELETE FROM outbox USING unnest(%(devices)s::integer[], %(readings)s::bigint[]) AS gone (device_id, reading_id)
WHERE outbox.device_id = gone.device_id AND outbox.reading_id = gone.reading_id;

-- name: park
-- The backend will never take these: out of the way, and kept.
WITH dead AS (
    SELECT * FROM unnest(%(devices)s::integer[], %(readings)s::bigint[], %(attempts)s::integer[], %(errors)s::text[])
        AS dead (device_id, reading_id, attempts, error)
), gone AS (
    DELETE FROM outbox USING dead
    WHERE outbox.device_id = dead.device_id AND outbox.reading_id = dead.reading_id
    RETURNING outbox.*
)
INSERT INTO dead_letter (reading_id, device_id, idempotency_key, temperature, humidity, light, received_at, attempts,
    error)
SELECT gone.reading_id, gone.device_id, idempotency_key, temperature, humidity, light, received_at, attempts, error
FROM gone JOIN dead ON dead.reading_id = gone.reading_id
ON CONFLICT (reading_id) DO UPDATE SET attempts = excluded.attempts, error = excluded.error, parked_at = now();

-- name: pause
-- Lanes whose oldest reading goes on or gets a pause, and which are given back.
UPDATE lane SET attempts = given.attempts, due_at = now() + given.delay_s * interval '1 second',
    last_error = given.error, claimed_until = '-infinity'
FROM unnest(%(devices)s::integer[], %(attempts)s::integer[], %(delays_s)s::float8[], %(errors)s::text[])
    AS given (device_id, attempts, delay_s, error)
WHERE lane.device_id = given.device_id AND lane.owner = %(owner)s::text;

-- name: release
-- All lanes of a forwarder that ends.
UPDATE lane SET claimed_until = '-infinity' WHERE owner = %(owner)s::text AND claimed_until > now();

-- name: report
-- What a forwarder says of itself; those not heard of for a day are forgotten.
DELETE FROM forwarder WHERE seen_at < now() - interval '1 day';
INSERT INTO forwarder (name, counters, alarms) VALUES (%(name)s::text, %(counters)s::jsonb, %(alarms)s::jsonb)
ON CONFLICT (name) DO UPDATE SET seen_at = now(), counters = excluded.counters, alarms = excluded.alarms;

-- name: dead_letters
-- Dead letters of one device or of all, oldest first. `stale`: the backend has a later reading of the device, one that
-- neither waits nor is dead itself.
SELECT reading_id, device_id, idempotency_key, temperature, humidity, light, received_at, parked_at, attempts, error,
    EXISTS (
        SELECT FROM reading WHERE reading.device_id = dead_letter.device_id AND reading.id > dead_letter.reading_id
            AND NOT EXISTS (SELECT FROM outbox WHERE outbox.device_id = reading.device_id AND reading_id = reading.id)
            AND NOT EXISTS (SELECT FROM dead_letter AS other WHERE other.reading_id = reading.id)
    ) AS stale
FROM dead_letter
WHERE (%(devices)s::integer[] IS NULL OR device_id = ANY (%(devices)s))
    AND (%(readings)s::bigint[] IS NULL OR reading_id = ANY (%(readings)s))
ORDER BY reading_id LIMIT %(limit)s;

-- name: retry_dead_letters
-- Back into the outbox, where they were in their device's order.
WITH again AS (
    DELETE FROM dead_letter WHERE reading_id = ANY (%(readings)s::bigint[])
    RETURNING reading_id, device_id, idempotency_key, temperature, humidity, light, received_at
), waiting AS (
    INSERT INTO outbox (reading_id, device_id, idempotency_key, temperature, humidity, light, received_at)
    SELECT * FROM again RETURNING device_id
), fresh AS (
    UPDATE lane SET attempts = 0, due_at = '-infinity', last_error = NULL
    FROM (SELECT DISTINCT device_id FROM waiting) AS devices WHERE lane.device_id = devices.device_id
)
SELECT count(*), pg_notify('outbox', '') FROM again;

-- name: drop_dead_letters
WITH gone AS (DELETE FROM dead_letter WHERE reading_id = ANY (%(readings)s::bigint[]) RETURNING reading_id)
SELECT count(*) FROM gone;

-- name: backlog
-- How many readings wait, and how long the oldest has, in seconds. Reads the whole outbox: asked every few seconds at
-- most, and small but after an outage.
SELECT count(*), greatest(coalesce(extract(epoch FROM now() - min(received_at)), 0), 0)::float8 FROM outbox;

-- name: dead_letter_count
SELECT count(*) FROM dead_letter;

-- name: forwarders
-- What forwarders said of themselves within a day, and how long ago, in seconds.
SELECT name, greatest(extract(epoch FROM now() - seen_at), 0)::float8, counters, alarms FROM forwarder
WHERE seen_at > now() - interval '1 day' ORDER BY name;

-- name: partitions
-- Whether readings fell into the default partition, and whether next month (UTC) has none of its own.
SELECT EXISTS (SELECT FROM reading_default),
    to_regclass('reading_' || to_char(now() AT TIME ZONE 'UTC' + interval '1 month', 'YYYY_MM')) IS NULL;

-- name: devices
-- How many devices were made known, and how many of them sent nothing for `silent_s` seconds. For each of them one look
-- into the index of this month's partition, and of those that the period reaches back to; later months are left out. Of
-- the first 20 000 devices only, so that it stays below half a second whatever was made known.
SELECT count(*), count(*) FILTER (WHERE last.received_at IS NULL)
FROM (SELECT id FROM device ORDER BY id LIMIT 20000) AS device LEFT JOIN LATERAL (
    SELECT received_at FROM reading
    WHERE reading.device_id = device.id AND received_at > now() - %(silent_s)s::float8 * interval '1 second'
        AND received_at < now() + interval '1 minute'
    ORDER BY id DESC LIMIT 1
) AS last ON true;

-- name: status_devices
-- Devices from an id on, in order, with their last reading, what waits, what the backend refused, and one quantity of
-- the last 24 hours in quarters of an hour. Devices are those made known and those that readings came from: one look
-- into each partition's index for each of them. Of a device that posts more often than every 144 s, the quantity goes
-- back 600 readings only, so that a page costs the same whatever boards do.
WITH RECURSIVE seen AS (
    (SELECT device_id, 1 AS position FROM reading WHERE device_id >= %(first)s ORDER BY device_id LIMIT 1)
    UNION ALL
    SELECT beyond.device_id, seen.position + 1 FROM seen, LATERAL (
        SELECT device_id FROM reading WHERE reading.device_id > seen.device_id ORDER BY reading.device_id LIMIT 1
    ) AS beyond WHERE seen.position < %(limit)s
), page AS (
    SELECT device_id FROM seen
    UNION (SELECT id FROM device WHERE id >= %(first)s ORDER BY id LIMIT %(limit)s)
    ORDER BY device_id LIMIT %(limit)s
)
SELECT page.device_id, last.temperature, last.humidity, last.light, last.measured_age_s, last.received_age_s,
    waiting.count, lane.attempts, lane.last_error, dead.count, dead.error, history.quarters, history.amounts
FROM page
LEFT JOIN lane ON lane.device_id = page.device_id
LEFT JOIN LATERAL (
    SELECT temperature, humidity, light, extract(epoch FROM now() - measured_at)::float8 AS measured_age_s,
        extract(epoch FROM now() - received_at)::float8 AS received_age_s
    FROM reading WHERE reading.device_id = page.device_id ORDER BY id DESC LIMIT 1
) AS last ON true
LEFT JOIN LATERAL (
    SELECT count(*) AS count FROM (SELECT FROM outbox WHERE outbox.device_id = page.device_id LIMIT 1000) AS few
) AS waiting ON true
LEFT JOIN (
    SELECT device_id, count(*) AS count, (array_agg(error ORDER BY parked_at DESC))[1] AS error
    FROM dead_letter GROUP BY device_id
) AS dead ON dead.device_id = page.device_id
LEFT JOIN LATERAL (
    SELECT array_agg(quarter ORDER BY quarter) AS quarters, array_agg(amount ORDER BY quarter) AS amounts FROM (
        SELECT quarter, avg(amount)::float8 AS amount FROM (
            SELECT 95 - floor(extract(epoch FROM now() - measured_at) / 900)::integer AS quarter,
                CASE %(quantity)s WHEN 'temperature' THEN temperature WHEN 'light' THEN light ELSE humidity END AS amount
            FROM reading WHERE reading.device_id = page.device_id ORDER BY id DESC LIMIT 600
        ) AS latest WHERE quarter BETWEEN 0 AND 95 AND amount IS NOT NULL GROUP BY quarter
    ) AS quarters
) AS history ON true
ORDER BY page.device_id;
