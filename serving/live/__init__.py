"""What is live, and what refreshes it."""
