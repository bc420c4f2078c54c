"""Facts: small rows in SQLite (WAL) or PostgreSQL. One module per aggregate; every function takes a connection."""
