"""Features: definitions, feature sets, indicators of `ta` and their admission tests."""
