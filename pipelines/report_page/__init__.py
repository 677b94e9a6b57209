"""The report page of a run: its sections, and their rendering as HTML."""
