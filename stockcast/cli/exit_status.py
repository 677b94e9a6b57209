"""Exit statuses of the commands, next to 0 for success and 1 for an error."""

INTERRUPTED = 130  # as shells report SIGINT
