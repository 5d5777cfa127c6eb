"""Reports on cascades: read from stored steps, written as JSON, a page or a picture."""
