"""HTTP contract: schemas, problems (RFC 9457) and OpenAPI."""
