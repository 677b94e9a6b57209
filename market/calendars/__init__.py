"""Exchange calendars: sessions, closes, and the exchange of a ticker."""
