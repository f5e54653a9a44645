"""What a model must beat: each baseline is a frozen dataclass of dials whose `fit(history)` returns a scorer."""
