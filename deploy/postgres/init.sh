#!/bin/sh
# PostgreSQL runs this once on an empty volume. It creates a database and its owner for Dagster and
# for MLflow.
set -eu

make_database() {
  psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --set name="$1" --set password="$2" <<'SQL'
CREATE ROLE :"name" LOGIN PASSWORD :'password';
CREATE DATABASE :"name" OWNER :"name";
REVOKE ALL ON DATABASE :"name" FROM PUBLIC;
SQL
}

make_database "$DAGSTER_PG_DB" "$DAGSTER_PG_PASSWORD"
make_database "$MLFLOW_PG_DB" "$MLFLOW_PG_PASSWORD"
