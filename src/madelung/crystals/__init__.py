"""Crystals: readers of files, lattices, distances, neighbours, orbits."""
