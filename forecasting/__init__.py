"""The mathematics: features, targets, splits, models, ensemble, intervals, metrics and the bundle.

Nothing here knows Dagster, MLflow or HTTP.
"""
