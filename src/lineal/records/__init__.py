"""Frozen values and pure rules. No I/O, standard library only; time, randomness and paths come in as arguments."""
