"""Output of the commands: the console, progress and tables."""
