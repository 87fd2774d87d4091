"""Bytes to stored values, to modality values, to pictures and to volumes with geometry."""
