#!/bin/sh
# Writes definitions.json from its template and the passwords in .env, hashed as RabbitMQ wants them.
set -eu
cd "$(dirname "$0")"
. ./.env
umask 077
python3 - "$RELAY_PASSWORD" "$WORKER_PASSWORD" "$MONITOR_PASSWORD" <<'PYTHON'
import base64, hashlib, json, os, pathlib, sys

def hashed(password: str) -> str:
    salt = os.urandom(4)
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()

known = json.loads(pathlib.Path("definitions.template.json").read_text())
for user, password in zip(known["users"], sys.argv[1:], strict=True):
    user["password_hash"] = hashed(password)
pathlib.Path("definitions.json").write_text(json.dumps(known, indent=1))
PYTHON
# The broker's container reads it as a user of its own.
chmod 644 definitions.json
