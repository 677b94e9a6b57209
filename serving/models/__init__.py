"""Model versions and feature snapshots as this process has loaded them."""
