"""Evidence, gates, alias moves and the audit trail."""
