"""The samples that models are fitted on, made from a `feature_table` stage."""

from forecasting.models.training import final_rows
from forecasting.samples.panel import Panel, build_panel
from forecasting.samples.scaling import Scaler
from pipelines.stages.feature_table import FeatureTable


def load_panel(table: FeatureTable) -> Panel:
    """Return the samples of `table`, in windows of its lookback."""
    return build_panel(table.features, table.adjusted, table.lookback)


def shared_scaler(panel: Panel) -> Scaler:
    """Return the scaling of the final fit, which the members share."""
    return Scaler.fit(panel.last(final_rows(panel)))
