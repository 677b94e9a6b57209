"""Model versions and feature snapshots, cached by this process."""
