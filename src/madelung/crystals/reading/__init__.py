"""Readers of crystal files; :mod:`madelung.crystals.reading.files` chooses among them."""
