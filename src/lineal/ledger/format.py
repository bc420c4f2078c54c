"""The format of the ledger that this Lineal reads and writes; a migration leads from each one to the next."""

FORMAT_VERSION = 3
