"""The HTTP contract: schemas, problems (RFC 9457), OpenAPI."""
