"""What a bundle says about itself, and the checksums that notice when any of its bytes has changed.

The manifest's fields, their mutual consistency and its JSON form belong here. Not here: the graph
(`forecasting.bundle.graph`), and whether graph and manifest agree (`forecasting.bundle.bundle`).

The checksums notice damage. They are no signature: whoever can write a bundle can also write its
checksums, so trust in where a bundle comes from is the registry's to give.
"""

from __future__ import annotations

import hashlib
import json
from datetime import date
from itertools import pairwise
from typing import Any, Final, Literal, NoReturn, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_core import to_jsonable_python

from core.errors import BundleError

GRAPH_FILE = "ensemble.onnx"
GOLDEN_FILE = "golden.npz"
MANIFEST_FILE = "manifest.json"
SCHEMA_VERSION: Final = 1
# Weights are learnt in float64 and stored exactly; this only forgives the rounding of their sum.
WEIGHT_TOLERANCE = 1e-6


def damaged(*, check: str, found: str) -> BundleError:
    """Return the error of a bundle that failed `check`, with what was found and the way out."""
    way_out = "Fetch the bundle from the registry again, or train a new one with `stockcast run`."
    return BundleError(f"bundle refused by the check of {check}: {found} {way_out}")


class Manifest(BaseModel):
    """Everything that serving must know about a bundle besides its graph.

    Parameters
    ----------
    name
        The registered model's name.
    features, feature_hash, extra_indicators
        The columns of a window in order, the hash of their definitions, and the named indicators
        that `feature_set` needs to rebuild them.
    lookback, warmup
        Sessions in a window, and the bars that the slowest feature needs before its first value.
    horizons, members
        Sessions ahead and ensemble members, in the order of the graph's output axes.
    mean_weights, scale_weights
        Horizon -> member -> weight. Mean weights sum to at most 1, the rest belongs to the naive
        mean of zero; scale weights sum to 1.
    quantile_levels, conformal_quantiles
        Levels in (0, 1), and per horizon the quantile of ``(log_return - mean) / scale`` at each.
    cutoff
        The last session that training has seen.
    tickers, exchange, data_fingerprint
        What was trained on.
    code_version, settings
        What trained it. Settings are stored in their JSON form.
    metrics
        Model -> horizon -> metric -> value out of sample; None where a metric is undefined.
    checksums
        File name -> SHA-256, filled in by `write_bundle`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    schema_version: Literal[1] = SCHEMA_VERSION
    name: str = Field(min_length=1)
    features: tuple[str, ...] = Field(min_length=1)
    feature_hash: str = Field(min_length=1)
    extra_indicators: tuple[str, ...] = ()
    lookback: int = Field(ge=1)
    warmup: int = Field(ge=0)
    horizons: tuple[int, ...] = Field(min_length=1)
    members: tuple[str, ...] = Field(("forest", "lstm"), min_length=1)
    mean_weights: dict[int, dict[str, float]]
    scale_weights: dict[int, dict[str, float]]
    quantile_levels: tuple[float, ...] = Field(min_length=1)
    conformal_quantiles: dict[int, tuple[float, ...]]
    cutoff: date
    tickers: tuple[str, ...] = Field(min_length=1)
    exchange: str = Field(min_length=1)
    data_fingerprint: str = Field(min_length=1)
    code_version: str
    settings: dict[str, Any]
    metrics: dict[str, dict[str, dict[str, float | None]]]
    checksums: dict[str, str] = Field(default_factory=dict)

    @field_validator("settings", mode="after")
    @classmethod
    def _as_json(cls, value: dict[str, Any]) -> dict[str, Any]:
        """Store what JSON can give back, so that a manifest equals itself after a round trip."""
        return {str(k): v for k, v in to_jsonable_python(value, inf_nan_mode="strings").items()}

    @field_validator("features", "extra_indicators", "members", "tickers", mode="after")
    @classmethod
    def _no_repeats(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        repeated = sorted({name for name in value if value.count(name) > 1})
        if repeated:
            msg = f"must name each entry once, got {', '.join(repeated)} more than once"
            raise ValueError(msg)
        return value

    @field_validator("horizons", mode="after")
    @classmethod
    def _ascending(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if value[0] < 1 or any(a >= b for a, b in pairwise(value)):
            msg = f"must be positive and ascending, got {value}"
            raise ValueError(msg)
        return value

    @model_validator(mode="after")
    def _weights_fit(self) -> Self:
        for name in ("mean_weights", "scale_weights"):
            weights: dict[int, dict[str, float]] = getattr(self, name)
            if set(weights) != set(self.horizons):
                _unfit(name, f"horizons {self.horizons}", tuple(weights))
            for horizon, by_member in weights.items():
                total = sum(by_member.values())
                if set(by_member) != set(self.members):
                    _unfit(f"{name}[{horizon}]", f"members {self.members}", tuple(by_member))
                if min(by_member.values()) < 0 or total > 1 + WEIGHT_TOLERANCE:
                    _unfit(f"{name}[{horizon}]", "weights >= 0 with a sum <= 1", by_member)
                if name == "scale_weights" and total < 1 - WEIGHT_TOLERANCE:
                    _unfit(f"{name}[{horizon}]", "weights with a sum of 1", by_member)
        return self

    @model_validator(mode="after")
    def _quantiles_fit(self) -> Self:
        levels = self.quantile_levels
        if not (levels[0] > 0 and levels[-1] < 1 and all(a < b for a, b in pairwise(levels))):
            _unfit("quantile_levels", "ascending levels between 0 and 1", levels)
        if set(self.conformal_quantiles) != set(self.horizons):
            found = tuple(self.conformal_quantiles)
            _unfit("conformal_quantiles", f"horizons {self.horizons}", found)
        for horizon, quantiles in self.conformal_quantiles.items():
            name = f"conformal_quantiles[{horizon}]"
            if len(quantiles) != len(levels):
                _unfit(name, f"{len(levels)} values, one a level", len(quantiles))
            if any(a > b for a, b in pairwise(quantiles)):
                _unfit(name, "values that never fall from level to level", "a fall")
        return self


def _unfit(name: str, expected: str, got: object) -> NoReturn:
    msg = f"`{name}` must hold {expected}, got {got}"
    raise ValueError(msg)


def seal_manifest(manifest: Manifest, files: dict[str, bytes]) -> bytes:
    """Return the manifest's JSON with the checksums of `files` and of itself filled in.

    The same manifest and files give the same bytes: keys are sorted, and no time is written.
    """
    document = manifest.model_dump(mode="json", exclude={"checksums"})
    document["checksums"] = {name: sha256(content) for name, content in files.items()}
    document["checksums"][MANIFEST_FILE] = _own_checksum(document)
    return json.dumps(document, sort_keys=True, indent=1, allow_nan=False).encode() + b"\n"


def open_manifest(raw: bytes) -> Manifest:
    """Return the manifest that `seal_manifest` wrote.

    Raises
    ------
    BundleError
        When the bytes are no JSON, were changed after sealing, belong to another schema version,
        or contradict themselves; the message names the field.
    """
    try:
        document = json.loads(raw)
        intact = document["checksums"][MANIFEST_FILE] == _own_checksum(document)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        found = f"{MANIFEST_FILE} is not a sealed manifest ({type(error).__name__}: {error})."
        raise damaged(check="the manifest's form", found=found) from None
    if not intact:
        found = f"{MANIFEST_FILE} was changed after it was written."
        raise damaged(check="the manifest's checksum", found=found)
    version = document.get("schema_version")
    if version != SCHEMA_VERSION:
        found = (
            f"{MANIFEST_FILE} has `schema_version` {version!r}, this code reads {SCHEMA_VERSION}."
        )
        raise damaged(check="the schema version", found=found)
    try:
        return Manifest.model_validate(document)
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()[:5]]
        found = f"{MANIFEST_FILE} is inconsistent; {'; '.join(lines)}."
        raise damaged(check="the manifest's fields", found=found) from None


def check_checksum(manifest: Manifest, name: str, content: bytes) -> None:
    """Raise `BundleError` unless `content` is what the manifest was sealed with."""
    expected, got = manifest.checksums.get(name), sha256(content)
    if expected != got:
        found = f"{name} has SHA-256 {got[:12]}…, the manifest expects {str(expected)[:12]}…."
        raise damaged(check="the files' checksums", found=found)


def sha256(content: bytes) -> str:
    """Return the SHA-256 of `content` as hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def _own_checksum(document: dict[str, Any]) -> str:
    others = {k: v for k, v in document["checksums"].items() if k != MANIFEST_FILE}
    body = {**document, "checksums": others}
    return sha256(json.dumps(body, sort_keys=True, allow_nan=False).encode())
