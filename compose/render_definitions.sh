#!/bin/sh
# Writes definitions.json from its template and the passwords in .env, hashed as RabbitMQ expects them.
# The password of the user `cpu-worker` is CPU_WORKER_PASSWORD, and so on for each user of the template.
set -eu
cd "$(dirname "$0")"
set -a
. ./.env
set +a
umask 077
python3 - <<'PYTHON'
import base64, hashlib, json, os, pathlib, sys

def hashed(password: str) -> str:
    salt = os.urandom(4)
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()

definitions = json.loads(pathlib.Path("definitions.template.json").read_text())
for user in definitions["users"]:
    variable = user["name"].upper().replace("-", "_") + "_PASSWORD"
    if not os.environ.get(variable):
        sys.exit(f".env has no {variable}")
    user["password_hash"] = hashed(os.environ[variable])
pathlib.Path("definitions.json").write_text(json.dumps(definitions, indent=1))
PYTHON
# The broker's container runs as another user, which has to read the file.
chmod 644 definitions.json
