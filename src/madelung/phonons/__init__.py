"""Vibrations of crystals."""
