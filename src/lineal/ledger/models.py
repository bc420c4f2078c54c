"""Model versions and aliases."""
