"""Complete lattice sums of pair potentials, with certified errors."""

from madelung.common.former_paths import former_names

__getattr__ = former_names(__name__)
