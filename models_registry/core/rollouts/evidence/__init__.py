"""What a roll-out has shown so far: read in ticks, kept as one value that Postgres can store."""
