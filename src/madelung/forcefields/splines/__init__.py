"""Potentials whose functions are cubic splines: s-MEAM and EAM."""
