"""Contents of a candidate, and the evidence for its promotion, collected from stages."""
