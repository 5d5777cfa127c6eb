"""The OpenAPI description of each call beyond its types: requests, responses, problems, examples."""
