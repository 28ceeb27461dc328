"""Readers of crystal files; :mod:`madelung.io` chooses among them."""
