"""What a run touched, and how it went: journals, processes, files, code, environment."""
