-- The role of KEDA: it reads how many workers a model needs, and nothing else. Run it as the superuser, because the owner of the
-- tables may make no roles. The password comes from a file: others can read a program's arguments.
--   (umask 077 && openssl rand -hex 24 | tr -d '\n' > scaler-password)
--   psql -h postgres -U inference -d inference -f compose/keda/scaler-role.sql
--   kubectl create secret generic inference-scaler --from-file=password=scaler-password
\set password `cat scaler-password`
SET log_min_duration_statement = -1; -- no log quotes it either
SET log_min_error_statement = panic;
CREATE ROLE inference_scaler LOGIN PASSWORD :'password' NOSUPERUSER NOCREATEDB NOCREATEROLE CONNECTION LIMIT 10;
ALTER ROLE inference_scaler SET default_transaction_read_only = on;
ALTER ROLE inference_scaler SET statement_timeout = '5s';
GRANT CONNECT ON DATABASE :"DBNAME" TO inference_scaler; -- psql knows it; the other roles' rights took it from PUBLIC
GRANT USAGE ON SCHEMA public TO inference_scaler; -- as with CONNECT
GRANT SELECT (queue, workers_wanted, workers_load, counted_at) ON jobs_queuestanding TO inference_scaler;
