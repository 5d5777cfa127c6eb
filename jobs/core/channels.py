"""The channels of Postgres NOTIFY: each notification is a hint, and a listener also polls.

In the database each has a name that ends in a secret: `jobs.db.channel_names`.
"""

SUBMITTED = "jobs_submitted"  # payload: a queue; outside the submit's transaction, coalesced per web process
EVERY_QUEUE = ""  # the payload that names no queue: the relay looks at all
SETTLED = "jobs_settled"  # payload: "batch:<uuid>" for a settled batch, "job:<uuid>" for a single job
PROGRESSED = "jobs_progressed"  # payload: "batch:<uuid>"; sent only for models that report progress
CANCELLED = "jobs_cancelled"  # payload: "<uuid>:<epoch>", the epoch that the cancel gave the job
ORDERED = "jobs_ordered"  # no payload; an order to load or unload a model was stored
