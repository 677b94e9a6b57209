"""Prices: the bar contract, calendars, adjustments, providers and the bar store. No models here."""
