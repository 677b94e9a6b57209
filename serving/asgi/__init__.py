"""ASGI layers around the app: the fast path and the error boundary."""
