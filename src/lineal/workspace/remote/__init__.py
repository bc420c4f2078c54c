"""A workspace that lies on a server."""
