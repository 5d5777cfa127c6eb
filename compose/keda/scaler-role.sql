-- The role of KEDA: it reads how many workers a model needs, and nothing else. Run it as the owner of the tables:
--   psql "$OWNER_URL" -v password="$(openssl rand -hex 24)" -f compose/keda/scaler-role.sql
CREATE ROLE inference_scaler LOGIN PASSWORD :'password' NOSUPERUSER NOCREATEDB NOCREATEROLE CONNECTION LIMIT 10;
ALTER ROLE inference_scaler SET default_transaction_read_only = on;
ALTER ROLE inference_scaler SET statement_timeout = '5s';
GRANT CONNECT ON DATABASE :"DBNAME" TO inference_scaler; -- psql knows it; the other roles' rights took it from PUBLIC
GRANT SELECT (queue, workers_wanted, workers_load, counted_at) ON jobs_queuestanding TO inference_scaler;
