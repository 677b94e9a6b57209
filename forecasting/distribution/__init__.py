"""Predictive distributions: quantile levels, conformal calibration and trading signals."""
