"""What the trials of a study say: their records, rungs and lineage, read incrementally."""
