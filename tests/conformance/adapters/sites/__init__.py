"""Relying parties of a few lines, one for each adapter on a blocking framework."""
