"""Protection of the service: API keys, bearer tokens, scopes and limits."""
