"""What a version is registered with: record and promotion evidence."""
