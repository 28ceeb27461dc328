"""What networks see of a crystal: near graph, pair functions, bonds."""

from madelung.common.former_paths import former_names

__getattr__ = former_names(__name__)
