"""Postgres NOTIFY channels: a hint to look, never the only way to learn."""

SUBMITTED = "jobs_submitted"  # no payload; outside the submit's transaction, coalesced per web process
SETTLED = "jobs_settled"  # payload: "batch:<uuid>" for a settled batch, "job:<uuid>" for a single job
