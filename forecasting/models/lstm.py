"""The LSTM member: a small recurrent network over the lookback window.

The only module that imports TensorFlow and Keras, and only inside the functions that need them: the
import costs seconds and hundreds of megabytes.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from core.errors import NotEnoughHistoryError
from forecasting.models.base import (
    Array,
    Moments,
    Rows,
    fitted,
    fitting_targets,
    horizon_volatility,
)
from forecasting.models.diagnostics import TrainingHistory
from forecasting.samples.panel import Panel
from forecasting.samples.scaling import Scaler

if TYPE_CHECKING:
    import keras

Floats = npt.NDArray[np.float32]

# Bounds of the log scale of z: a factor of twenty around the EWMA volatility.
LEAST_LOG_SCALE, MOST_LOG_SCALE = -3.0, 3.0
# The median of |Z| of a standard normal.
NORMAL_MEDIAN = 0.6745
PREDICTION_BATCH = 4096
LOSSES = ("loss", "val_loss")


@dataclass(frozen=True)
class LstmConfig:
    """The network's size and how it is trained.

    Attributes
    ----------
    units
        Width of the single LSTM layer.
    epochs, patience
        Most passes over the training rows, and passes without a better loss on the later stretch
        after which the best one counts as found.
    batch_size, learning_rate, weight_decay, dropout
        Of the AdamW optimiser and of the layer's inputs.
    degrees_of_freedom
        Of the Student t whose likelihood is maximised; low ones keep single crashes from ruling.
    later_share
        Share of the training sessions, the latest ones, that decide on the number of epochs.
    """

    units: int = 48
    epochs: int = 15
    patience: int = 3
    batch_size: int = 512
    learning_rate: float = 2e-3
    weight_decay: float = 1e-3
    dropout: float = 0.4
    degrees_of_freedom: float = 5.0
    later_share: float = 0.15

    @classmethod
    def for_profile(cls, profile: str) -> LstmConfig:
        """Return the config of a settings profile, `standard` or `quick`."""
        return cls(units=8, epochs=2) if profile == "quick" else cls()


class LstmModel:
    """LSTM for location and log scale of z, all horizons in one.

    ``model`` maps scaled windows (lookback, F) to (2H,): mean z per horizon, then log scale of z
    per horizon. Trained by the Student-t likelihood; the last layer starts near a location of zero
    and the typical scale of the training rows, so that an untrained network is already a sober
    forecast.

    Attributes
    ----------
    model, scaler
        The fitted network, and the scaling before it, which is shared with the other member.
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
        """The scaling that the network was fitted with."""
        return fitted(self._scaler, self.name)

    @property
    def history(self) -> TrainingHistory:
        """The losses by epoch of the training that determined the number of epochs."""
        return fitted(self._history, self.name)

    @property
    def model(self) -> keras.Model:
        """The fitted network."""
        return fitted(self._model, self.name)

    def fit(self, panel: Panel, rows: Rows) -> Self:
        """Train on the windows of samples `rows`, see `Forecaster`.

        A first training stops by the loss on a later stretch, held back, and so finds the number of
        epochs; a second one starts anew and runs so long on all rows, the newest ones included.

        Raises
        ------
        NotEnoughHistoryError
            When the rows are too few to hold back a later stretch.
        """
        keras = _import_keras()
        if self._scaler is None:
            self._scaler = Scaler.fit(panel.last(rows))
        early, later = hold_back(panel, rows, self.config.later_share)
        keras.utils.set_random_seed(self.seed)
        model = self._build(keras, panel, fitting_targets(panel, early))
        untrained = [variable.numpy() for variable in _state(model)]
        stopped = model.fit(
            *self._inputs(panel, early),
            validation_data=self._inputs(panel, later),
            epochs=self.config.epochs,
            batch_size=self.config.batch_size,
            callbacks=[keras.callbacks.EarlyStopping(patience=self.config.patience)],
            verbose=0,
        )
        losses = {name: [float(value) for value in stopped.history[name]] for name in LOSSES}
        self._history = TrainingHistory(**losses)
        # The same compiled network again, because compiling it takes as long as training it.
        for variable, value in zip(_state(model), untrained, strict=True):
            variable.assign(value)
        model.fit(
            *self._inputs(panel, rows),
            epochs=int(np.argmin(self._history.val_loss)) + 1,
            batch_size=self.config.batch_size,
            verbose=0,
        )
        self._model = model
        return self

    def moments(self, panel: Panel, rows: Rows) -> Moments:
        """Forecast samples `rows` from their windows, see `Member`."""
        raw = np.concatenate(
            [
                np.asarray(self.model(self.scaler.transform(panel.windows(part)), training=False))
                for part in np.split(rows, range(PREDICTION_BATCH, len(rows), PREDICTION_BATCH))
            ]
        ).astype(np.float64)
        unit = horizon_volatility(panel.volatility[rows], panel.horizons)
        mean, log_scale = np.split(raw, 2, axis=1)
        scale = np.exp(np.clip(log_scale, LEAST_LOG_SCALE, MOST_LOG_SCALE))
        return Moments(mean * unit, scale * unit)

    def _inputs(self, panel: Panel, rows: Rows) -> tuple[Floats, Floats]:
        """Return scaled windows and clipped z of samples `rows`."""
        z = fitting_targets(panel, rows).astype(np.float32)
        return self.scaler.transform(panel.windows(rows)), z

    def _build(self, keras: Any, panel: Panel, z: Array) -> keras.Model:  # noqa: ANN401  a module
        """Return the compiled, untrained network; named layers, so that its export never varies."""
        typical = np.log(np.median(np.abs(z), axis=0) / NORMAL_MEDIAN)
        window = keras.Input((panel.lookback, len(panel.feature_names)), name="window")
        hidden = keras.layers.Dropout(self.config.dropout, name="dropout")(window)
        hidden = keras.layers.LSTM(self.config.units, name="lstm")(hidden)
        moments = keras.layers.Dense(
            2 * z.shape[1],
            kernel_initializer=keras.initializers.RandomNormal(stddev=0.01),
            name="moments",
        )
        model = keras.Model(window, moments(hidden), name="lstm_member")
        moments.bias.assign(np.concatenate([np.zeros(z.shape[1]), typical]))
        optimizer = keras.optimizers.AdamW(
            learning_rate=self.config.learning_rate,
            weight_decay=self.config.weight_decay,
            clipnorm=1.0,
        )
        optimizer.build(model.trainable_variables)
        loss = _student_t_loss(keras, z.shape[1], self.config.degrees_of_freedom)
        model.compile(optimizer=optimizer, loss=loss, jit_compile=False)
        return model


def hold_back(panel: Panel, rows: Rows, share: float) -> tuple[Rows, Rows]:
    """Split training rows in time: those to fit, and a later stretch to judge by.

    Rows whose targets reach into the later stretch belong to neither.
    """
    sessions = np.unique(panel.sample_sessions[rows])
    first_later = sessions[-max(1, int(share * len(sessions)))]
    later = rows[panel.sample_sessions[rows] >= first_later]
    early = rows[(panel.target_sessions[rows] < first_later).all(axis=1)]
    if len(early) == 0:
        msg = (
            f"`rows` must span more sessions than the longest horizon and the later stretch, "
            f"got {len(sessions)}; provide a longer history."
        )
        raise NotEnoughHistoryError(msg)
    return early, later


def _state(model: keras.Model) -> list[keras.Variable]:
    """Return every variable that training changes: weights, seeds and the optimiser's own."""
    return [*model.variables, *model.optimizer.variables]


def _student_t_loss(keras: Any, n_horizons: int, nu: float) -> Callable[[Any, Any], Any]:  # noqa: ANN401
    """Return the mean negative log likelihood of z, without its constant."""
    ops = keras.ops

    def loss(z: Any, raw: Any) -> Any:  # noqa: ANN401  tensors
        log_scale = ops.clip(raw[:, n_horizons:], LEAST_LOG_SCALE, MOST_LOG_SCALE)
        surprise = (z - raw[:, :n_horizons]) * ops.exp(-log_scale)
        return ops.mean(log_scale + (nu + 1) / 2 * ops.log1p(surprise**2 / nu))

    return loss


def _import_keras() -> Any:  # noqa: ANN401  a module
    """Import Keras on TensorFlow, quiet and repeatable."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # oneDNN's kernels may add up in another order from run to run, by TensorFlow's own warning.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    import keras  # noqa: PLC0415  see the module's docstring
    import tensorflow as tf  # noqa: PLC0415  see the module's docstring

    tf.config.experimental.enable_op_determinism()
    return keras
