"""The client's script is run by MLflow's own Python, which has its libraries."""

collect_ignore = ["client_script.py", "client_walk.py"]
