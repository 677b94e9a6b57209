"""Forecasters: naive, GARCH, forest and LSTM, and the ensemble of the latter two."""
