"""Where bars come from: one small module a provider, all behind one Protocol."""
