"""Exchange calendars: sessions, closing times, and the exchange of each ticker."""
