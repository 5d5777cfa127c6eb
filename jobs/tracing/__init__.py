"""Traces, by OpenTelemetry: off, and nothing of it imported, unless an endpoint is set.

Hot paths ask `tracing.on` and nothing else. Spans carry ids alone: no payload, no name of a client.
"""

on = False
