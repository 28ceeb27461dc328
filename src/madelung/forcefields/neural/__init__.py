"""A neural force field whose Coulomb and dispersion energies are complete sums.

See docs/theory/neural-force-field.md.
"""

from madelung.common.former_paths import former_names

__getattr__ = former_names(__name__)
