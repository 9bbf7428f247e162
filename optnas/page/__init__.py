"""The web page of a study, its JSON, and the server of both beside optuna-dashboard."""
