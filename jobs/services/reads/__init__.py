"""Read models: a job, a list of jobs, lineage, workers."""
