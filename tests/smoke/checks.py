"""What the servers, their logs, their ports and Prometheus say of a run, but for the jobs themselves."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import psutil
import psycopg

from inference_site.stack.ports import LOOPBACK
from tests.smoke.addresses import NODES, PROGRAMS
from tests.smoke.watcher import Alert
from tests.smoke.world import World

REFUSED = re.compile(r"\brefused\b|access_refused", re.IGNORECASE)
OF_DATABASE = re.compile(r"permission denied|must be owner|no pg_hba.conf entry")
TARGET_DOWN, FIRES_AFTER_S = "TargetDown", 120.0
