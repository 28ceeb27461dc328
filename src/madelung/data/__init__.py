"""Data sets: records, formats, memory-mapped stores, named data sets.

:func:`madelung.open_dataset` is where to start. Importing this package loads nothing
heavy.
"""
