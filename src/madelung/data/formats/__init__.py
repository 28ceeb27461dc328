"""Readers of data sets, one module for each format.

Each gives records one after another, and a :class:`~madelung.DatasetError` in the place of
each that cannot be used; it raises one if the file as a whole cannot be read.
"""
