"""The design that is often published: FastAPI, a pickled forest and a Keras LSTM in the handler.

Both models are loaded once at the start, which is the kinder variant; many load them per request.
"""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
from fastapi import FastAPI, HTTPException

FOLDER = "PLAIN_DESIGN_FOLDER"


def make_app() -> FastAPI:
    """Load the models and the newest windows; return the app."""
    from keras.models import load_model  # noqa: PLC0415  # takes seconds

    folder = Path(os.environ[FOLDER])
    forest, mean, scale, windows = pickle.loads((folder / "forest.pkl").read_bytes())
    lstm = load_model(folder / "lstm.keras", compile=False)
    app = FastAPI()

    @app.get("/predict/{ticker}")
    def predict(ticker: str) -> dict[str, Any]:
        if ticker not in windows:
            raise HTTPException(404, f"no data for {ticker}")
        scaled = (windows[ticker] - mean) / scale
        by_forest = forest.predict(scaled[-1:])
        by_lstm = np.asarray(lstm.predict(scaled[None], verbose=0))
        both = (by_forest[0] + by_lstm[0]) / 2
        return {"ticker": ticker, "forecast": both.tolist()}

    return app
