"""Use cases, named by what the user does. Everything above talks to a `Workspace` and to nothing below it."""
