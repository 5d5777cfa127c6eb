"""Reads for clients and people: a job, a list of jobs, payloads, lineage, history, workers."""
