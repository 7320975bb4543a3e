"""The composition root: supervisor, workers, and the values that hold their parts. It decides nothing itself."""
