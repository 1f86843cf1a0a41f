#!/bin/bash
# PostgreSQL's image runs this once, in an empty cluster; in one that is there already, or to set a changed password:
#   docker compose exec db bash /docker-entrypoint-initdb.d/20-backup-role.sh
#
# plantkeeper_backup  copies the cluster and its write-ahead log, reads every table for a dump, and writes nothing
#
# Only where there is a connection string for it (compose.prod.yaml); without one there are no backups.
set -euo pipefail

if [ -e /run/secrets/backup_dsn ]; then
    dsn=$(< /run/secrets/backup_dsn)
    if ! [[ $dsn =~ ^postgresql://plantkeeper_backup:([A-Za-z0-9_-]+)@ ]]; then
        echo "/run/secrets/backup_dsn: expected postgresql://plantkeeper_backup:PASSWORD@…, the password of letters, digits, _ and -" >&2
        exit 1
    fi
    # by standard input: passwords on a command line could be read in the list of processes
    psql --quiet --no-psqlrc --set ON_ERROR_STOP=1 --username "${POSTGRES_USER:-postgres}" --dbname "${POSTGRES_DB:-plantkeeper}" <<-SQL
	\set password ${BASH_REMATCH[1]}
	SELECT 'CREATE ROLE plantkeeper_backup' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'plantkeeper_backup') \gexec
	ALTER ROLE plantkeeper_backup LOGIN REPLICATION PASSWORD :'password';
	GRANT pg_read_all_data, pg_monitor TO plantkeeper_backup;
	SELECT current_database() AS name \gset
	GRANT CONNECT ON DATABASE :"name" TO plantkeeper_backup;
	SQL
    # `all` among the databases of pg_hba.conf does not mean replication
    rule='host replication plantkeeper_backup all scram-sha-256'
    grep -qxF "$rule" "$PGDATA/pg_hba.conf" || echo "$rule" >> "$PGDATA/pg_hba.conf"
    psql --quiet --no-psqlrc --username "${POSTGRES_USER:-postgres}" --dbname "${POSTGRES_DB:-plantkeeper}" \
        --command "SELECT pg_reload_conf() WHERE current_setting('listen_addresses') <> ''" > /dev/null # else it starts anew in a moment
fi
