"""Postgres NOTIFY channels: a hint to look, never the only way to learn."""

SUBMITTED = "jobs_submitted"  # no payload; outside the submit's transaction, coalesced per web process
SETTLED = "jobs_settled"  # payload: "batch:<uuid>" for a settled batch, "job:<uuid>" for a single job
PROGRESSED = "jobs_progressed"  # payload: "batch:<uuid>"; sent by models that report progress alone
CANCELLED = "jobs_cancelled"  # payload: "<uuid>:<epoch>", the epoch that the cancel gave the job
