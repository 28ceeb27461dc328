"""Data sets of crystals: records, memory-mapped stores, readers of files, and named data sets.

:func:`madelung.data.dataset.open_dataset` is where to start. Importing this package loads nothing
heavy.
"""
