"""Acts on all jobs that match: count them, start, go on slice by slice, stop."""
