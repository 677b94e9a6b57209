"""Answers: the HTTP service that reads a champion's bundle and the published feature windows."""
