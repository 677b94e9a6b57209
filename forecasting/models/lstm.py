"""The LSTM member: a small recurrent network over the lookback window.

Functions import TensorFlow and Keras when they need them, because the import takes seconds and
hundreds of megabytes. No other module imports them.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from core.errors import NotEnoughHistoryError
from forecasting.models.base import Array, Rows, check_fitted
from forecasting.models.diagnostics import TrainingHistory
from forecasting.models.z_space import fitting_targets, scales_of
from forecasting.samples.panel import Panel
from forecasting.samples.scaling import Scaler

if TYPE_CHECKING:
    import keras

Floats = npt.NDArray[np.float32]

PREDICTION_BATCH = 4096
LOSSES = ("loss", "val_loss")


@dataclass(frozen=True)
class LstmConfig:
    """Size of the network and configuration of its training.

    Attributes
    ----------
    units
        Width of the single LSTM layer.
    epochs, patience
        Largest number of epochs, and number of epochs without a smaller validation loss after
        which the search for the number of epochs stops.
    batch_size, learning_rate, weight_decay
        Parameters of the AdamW optimiser.
    dropout
        Share of the inputs of the LSTM layer that are dropped in training.
    validation_share
        Share of the training sessions, the latest ones, that determine the number of epochs.
    """

    units: int = 48
    epochs: int = 15
    patience: int = 3
    batch_size: int = 512
    learning_rate: float = 2e-3
    weight_decay: float = 1e-3
    dropout: float = 0.4
    validation_share: float = 0.15

    @classmethod
    def for_profile(cls, profile: str) -> LstmConfig:
        """Return the configuration of the profile `standard` or `quick`."""
        return cls(units=8, epochs=2) if profile == "quick" else cls()


class LstmModel:
    """LSTM for the log scale, all horizons together.

    The network minimises the squared error of the log scale. Its last layer is initialised near the
    mean target of the training rows, so that even an untrained network has a reasonable forecast.

    Attributes
    ----------
    model
        Fitted Keras model. It maps a scaled window (lookback, F) to the log scale of each horizon
        (H,), in units of the volatility.
    scaler
        Scaling of the windows, shared with the other member.
    history
        Losses by epoch of the training that determined the number of epochs.
    """

    name = "lstm"

    def __init__(
        self, config: LstmConfig | None = None, *, seed: int = 0, scaler: Scaler | None = None
    ) -> None:
        self.config = config or LstmConfig()
        self.seed = seed
        self._scaler = scaler
        self._model: keras.Model | None = None
        self._history: TrainingHistory | None = None

    @property
    def scaler(self) -> Scaler:
        """Scaling that the network was fitted with."""
        return check_fitted(self._scaler, self.name)

    @property
    def history(self) -> TrainingHistory:
        """Losses by epoch of the training that determined the number of epochs."""
        return check_fitted(self._history, self.name)

    @property
    def model(self) -> keras.Model:
        """Fitted Keras model."""
        return check_fitted(self._model, self.name)

    def fit(self, panel: Panel, rows: Rows) -> Self:
        """Train on the windows of samples `rows`, see `Forecaster`.

        A first training on the earlier rows determines the number of epochs by the loss on the
        later rows. A second training from the same initial weights uses all rows.

        Raises
        ------
        NotEnoughHistoryError
            When `rows` spans too few sessions for a validation set.
        """
        keras = _import_keras()
        if self._scaler is None:
            self._scaler = Scaler.fit(panel.last(rows))
        train, validation = split_validation(panel, rows, self.config.validation_share)
        keras.utils.set_random_seed(self.seed)
        model = self._build(keras, panel, fitting_targets(panel, train))
        initial = [variable.numpy() for variable in _variables(model)]
        stopped = model.fit(
            *self._inputs(panel, train),
            validation_data=self._inputs(panel, validation),
            epochs=self.config.epochs,
            batch_size=self.config.batch_size,
            callbacks=[keras.callbacks.EarlyStopping(patience=self.config.patience)],
            verbose=0,
        )
        losses = {name: [float(value) for value in stopped.history[name]] for name in LOSSES}
        self._history = TrainingHistory(**losses)
        # Compiling a second network would take as long as training it.
        for variable, value in zip(_variables(model), initial, strict=True):
            variable.assign(value)
        model.fit(
            *self._inputs(panel, rows),
            epochs=int(np.argmin(self._history.val_loss)) + 1,
            batch_size=self.config.batch_size,
            verbose=0,
        )
        self._model = model
        return self

    def scales(self, panel: Panel, rows: Rows) -> Array:
        """Forecast samples `rows` from their windows, see `Member`."""
        raw = np.concatenate(
            [
                np.asarray(self.model(self.scaler.transform(panel.windows(part)), training=False))
                for part in np.split(rows, range(PREDICTION_BATCH, len(rows), PREDICTION_BATCH))
            ]
        ).astype(np.float64)
        return scales_of(raw, panel, rows)

    def _inputs(self, panel: Panel, rows: Rows) -> tuple[Floats, Floats]:
        """Return scaled windows and targets of samples `rows`."""
        targets = fitting_targets(panel, rows).astype(np.float32)
        return self.scaler.transform(panel.windows(rows)), targets

    def _build(self, keras: Any, panel: Panel, targets: Array) -> keras.Model:  # noqa: ANN401  a module
        """Return the compiled network; fixed names of the layers keep its export stable."""
        window = keras.Input((panel.lookback, len(panel.feature_names)), name="window")
        hidden = keras.layers.Dropout(self.config.dropout, name="dropout")(window)
        hidden = keras.layers.LSTM(self.config.units, name="lstm")(hidden)
        log_scale = keras.layers.Dense(
            targets.shape[1],
            kernel_initializer=keras.initializers.RandomNormal(stddev=0.01),
            name="log_scale",
        )
        model = keras.Model(window, log_scale(hidden), name="lstm_member")
        log_scale.bias.assign(targets.mean(axis=0))
        optimizer = keras.optimizers.AdamW(
            learning_rate=self.config.learning_rate,
            weight_decay=self.config.weight_decay,
            clipnorm=1.0,
        )
        optimizer.build(model.trainable_variables)
        model.compile(optimizer=optimizer, loss="mean_squared_error", jit_compile=False)
        return model


def split_validation(panel: Panel, rows: Rows, share: float) -> tuple[Rows, Rows]:
    """Split samples `rows` in time into training and validation samples.

    The validation samples are those of the latest `share` of the sessions. Samples with
    targets that reach into the validation sessions are in neither part.

    Raises
    ------
    NotEnoughHistoryError
        When no training sample is left.
    """
    sessions = np.unique(panel.sample_sessions[rows])
    first_validation = sessions[-max(1, int(share * len(sessions)))]
    validation = rows[panel.sample_sessions[rows] >= first_validation]
    train = rows[(panel.target_sessions[rows] < first_validation).all(axis=1)]
    if len(train) == 0:
        msg = (
            "`rows` must span more sessions than the longest horizon and the validation set, "
            f"got {len(sessions)}; provide a longer history."
        )
        raise NotEnoughHistoryError(msg)
    return train, validation


def _variables(model: keras.Model) -> list[keras.Variable]:
    """Return every variable that training changes: weights, seeds and state of the optimiser."""
    return [*model.variables, *model.optimizer.variables]


def _import_keras() -> Any:  # noqa: ANN401  a module
    """Import Keras with TensorFlow as backend, configured for reproducible results."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # TensorFlow warns that oneDNN kernels may add up in varying order.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    import keras  # noqa: PLC0415  slow to import
    import tensorflow as tf  # noqa: PLC0415  slow to import

    tf.config.experimental.enable_op_determinism()
    return keras
