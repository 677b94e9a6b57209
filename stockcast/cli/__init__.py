"""The `stockcast` command."""
