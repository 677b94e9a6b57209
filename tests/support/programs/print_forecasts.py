"""Print numbers of a combination and of files, for tests in other time zones and locales."""

from __future__ import annotations

import json
import locale
import tempfile
import time
from pathlib import Path

from support.forecasting.panels import sample_panel
from support.forecasting.unequal_folds import unequal_folds

from forecasting.evaluation.combination import combine_folds
from forecasting.evaluation.result import WalkForwardResult
from forecasting.models.diagnostics import FeatureImportance
from forecasting.samples.splits import WalkForward


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        combine_folds(unequal_folds(n_folds=2, test_size=40)).save(folder)
        result = WalkForwardResult.load(folder)
        FeatureImportance(["größe", "値"], [0.25, 0.75]).save(folder)
        importance = FeatureImportance.load(folder)
    panel = sample_panel("IBM")
    fold = WalkForward(n_folds=1, test_size=63, min_train_size=200).split(panel.sessions)[-1]
    forecasts = result.forecasts
    report = {
        "sessions": sorted({str(session) for session in forecasts["as_of"]}),
        "targets": [str(session) for session in panel.target_sessions[:3].ravel()],
        "fold": [str(fold.cutoff), str(fold.test[0]), str(fold.test[-1])],
        "crps": [round(value, 9) for value in forecasts["crps"].head(50)],
        "names": list(importance.names),
    }
    setting = {"zone": time.tzname[0], "encoding": locale.getencoding()}
    print(json.dumps({"report": report, "setting": setting}))  # noqa: T201


if __name__ == "__main__":
    main()
