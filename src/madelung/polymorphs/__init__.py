"""Candidate crystals of a molecule: what they consist of, their energies, and their order."""
