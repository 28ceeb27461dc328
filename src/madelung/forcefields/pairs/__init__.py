"""Pair potentials summed completely."""
