"""One module per step, in order; each is written once and never changed."""
