"""From providers into the store: what is due, fetching, reconciling, splits, batches."""
