"""The roof: the command line and the Python client."""
