"""The bar store. `market.store.BarStore` is its public interface."""

from market.store.bar_store import BarStore, UpsertReport

__all__ = ["BarStore", "UpsertReport"]
