#!/bin/bash
# PostgreSQL's image runs this once, in an empty cluster, as its superuser; run it again to set changed passwords:
#   docker compose exec db bash /docker-entrypoint-initdb.d/10-roles.sh
#
# plantkeeper_owner   owns the database: db-tools migrates and seeds with it
# plantkeeper_gateway serves: may connect, and what `plantkeeper-db migrate` grants it; makes and drops nothing
#
# Passwords come out of the connection strings that the services have as secrets, so that nothing can differ.
set -euo pipefail

# password_of FILE ROLE: fails where the file is no postgresql://ROLE:password@… of plain characters
password_of() {
    local dsn
    dsn=$(< "$1")
    if ! [[ $dsn =~ ^postgresql://"$2":([A-Za-z0-9_-]+)@ ]]; then
        echo "$1: expected postgresql://$2:PASSWORD@…, the password of letters, digits, _ and -; see compose/new-secrets" >&2
        return 1
    fi
    echo "${BASH_REMATCH[1]}"
}

owner_password=$(password_of /run/secrets/owner_dsn plantkeeper_owner)
gateway_password=$(password_of /run/secrets/gateway_dsn plantkeeper_gateway)

# by standard input: passwords on a command line could be read in the list of processes
psql --quiet --no-psqlrc --set ON_ERROR_STOP=1 --username "${POSTGRES_USER:-postgres}" --dbname "${POSTGRES_DB:-plantkeeper}" <<SQL
\set owner_password $owner_password
\set gateway_password $gateway_password
SELECT format('CREATE ROLE %I LOGIN', name)
FROM unnest(ARRAY['plantkeeper_owner', 'plantkeeper_gateway']) AS name
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) \gexec
ALTER ROLE plantkeeper_owner PASSWORD :'owner_password';
ALTER ROLE plantkeeper_gateway PASSWORD :'gateway_password';
SELECT current_database() AS name \gset
ALTER DATABASE :"name" OWNER TO plantkeeper_owner;
REVOKE ALL ON DATABASE :"name" FROM PUBLIC;
GRANT CONNECT ON DATABASE :"name" TO plantkeeper_gateway;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO plantkeeper_gateway;
SQL
