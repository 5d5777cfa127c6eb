"""What the OpenAPI description says of each call beyond its types: requests, responses, problems."""
