"""Trials of a study: their records, rungs and lineage, read incrementally."""
