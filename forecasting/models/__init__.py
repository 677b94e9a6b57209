"""The forecasters: naive, GARCH, forest and LSTM, all behind one Protocol."""
