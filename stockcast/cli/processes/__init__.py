"""Processes that commands start, and the ports that they listen on."""
