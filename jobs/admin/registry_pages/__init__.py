"""The registry's pages with what the jobs know of it: where a version is served, how fast, and its moves."""
