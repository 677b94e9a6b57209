"""Content-addressed results that assets pass to each other: store, code versions, typed readers."""
