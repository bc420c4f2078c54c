"""Us and the peer in turn on the same work. Prints ratios and CPU time; nothing here gates anything."""
