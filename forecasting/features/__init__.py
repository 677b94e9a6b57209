"""Features: definitions, the feature table, and indicators of `ta`."""
