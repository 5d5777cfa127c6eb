"""Every read of the jobs app: plain SQL texts that the threads' and the event loop's connections share."""
