"""Typed readers of what a stage holds. Writing a stage is its asset's work."""

from forecasting.models.training import final_rows
from forecasting.samples.panel import Panel, build_panel
from forecasting.samples.scaling import Scaler
from pipelines.stages.store import Stage


def load_panel(feature_table: Stage) -> Panel:
    """Return the samples of a feature table, in windows of the lookback that it was made for."""
    return build_panel(
        feature_table.frame("features"),
        feature_table.frame("adjusted"),
        feature_table.document("lookback"),
    )


def fold_weights(walk_forward_forecasts: Stage) -> dict[int, list[dict[str, float]]]:
    """Return the members' weights in the scale: horizon -> one mapping a scored fold."""
    learnt = walk_forward_forecasts.document("weights")["scale"]
    return {int(horizon): folds for horizon, folds in learnt.items()}


def shared_scaler(panel: Panel) -> Scaler:
    """Return the scaling of the final fit, the same for both members."""
    return Scaler.fit(panel.last(final_rows(panel)))
