"""The mathematics: features, samples, models, distributions, evaluation and the bundle."""
