"""What is done with a force field: relaxation, elastic constants, dynamics.

Each job is a function that takes a structure and a force field (or any ASE calculator) and returns
a result that can be written to a folder.
"""
