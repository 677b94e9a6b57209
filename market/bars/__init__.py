"""The bar contract, its adjustments, corporate actions and quarantine."""
