"""Whether what a version gets and answers is still what it got and answered when it was promoted. Pure."""
