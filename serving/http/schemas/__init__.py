"""Request and response bodies as pydantic models, used for validation and for OpenAPI."""
