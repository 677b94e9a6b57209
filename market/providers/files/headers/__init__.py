"""Headers of files: the names of columns that other sources use, and their meaning."""
