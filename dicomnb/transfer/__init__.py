"""The one download engine, the one upload engine, and reading a series into a volume."""
