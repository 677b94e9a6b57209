"""The predictive distribution: levels, conformal calibration, trading signals."""
