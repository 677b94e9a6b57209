"""The bar store. `BarStore` is all that other rooms use; how bars lie on disk stays in here."""

from market.store.bar_store import BarStore, UpsertReport

__all__ = ["BarStore", "UpsertReport"]
