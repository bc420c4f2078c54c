"""MLflow's REST API over a workspace: whoever has an ``mlflow`` client works here by changing its tracking URI."""
