"""Series as volumes: which slices make one grid, where it lies, and what is done with it."""
