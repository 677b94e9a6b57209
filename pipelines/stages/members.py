"""The `forest` and `lstm` stages: a fitted member as ONNX, with diagnostics of its fit."""

from pathlib import Path
from typing import ClassVar

from forecasting.export.fusion import export_forest, export_lstm
from forecasting.export.parity import ExportedMember
from forecasting.models.diagnostics import FeatureImportance, TrainingHistory
from forecasting.models.forest import ForestModel
from forecasting.models.lstm import LstmModel
from forecasting.models.training import TrainingConfig, final_rows
from pipelines.stages.feature_table import FeatureTable
from pipelines.stages.samples import load_panel, shared_scaler
from pipelines.stages.store import Stage, StageReader


class MemberStage(StageReader):
    """A fitted member of the ensemble."""

    @property
    def exported(self) -> ExportedMember:
        """The ONNX graph and the native forecasts of the parity windows."""
        return ExportedMember.load(self.stage.path)


class ForestStage(MemberStage):
    """The fitted Random Forest."""

    NAME: ClassVar[str] = "forest"

    @property
    def importance(self) -> FeatureImportance:
        """The importance of every feature."""
        return FeatureImportance.load(self.stage.path)


class LstmStage(MemberStage):
    """The fitted LSTM."""

    NAME: ClassVar[str] = "lstm"

    @property
    def history(self) -> TrainingHistory:
        """The losses by epoch."""
        return TrainingHistory.load(self.stage.path)


def build_forest(folder: Path, *, evaluation: Stage, config: TrainingConfig) -> None:
    """Fit the forest on all samples with known targets, and write graph and importance.

    The samples are those of the table that was evaluated, even if a newer table exists.
    """
    panel = load_panel(FeatureTable.upstream_of(evaluation))
    model = ForestModel(config.forest, seed=config.seed, scaler=shared_scaler(panel))
    model.fit(panel, final_rows(panel))
    ExportedMember.from_fit(model, panel, export_forest(model)).save(folder)
    model.importance(panel.feature_names).save(folder)


def build_lstm(folder: Path, *, evaluation: Stage, config: TrainingConfig) -> None:
    """Fit the LSTM on all samples with known targets, and write graph and losses.

    The samples are those of the table that was evaluated, even if a newer table exists.
    """
    panel = load_panel(FeatureTable.upstream_of(evaluation))
    model = LstmModel(config.lstm, seed=config.seed, scaler=shared_scaler(panel))
    model.fit(panel, final_rows(panel))
    ExportedMember.from_fit(model, panel, export_lstm(model)).save(folder)
    model.history.save(folder)
