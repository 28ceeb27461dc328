"""UF3: ultra-fast force fields of splines of two and three distances; see docs/theory/uf3.md."""

from madelung.common.former_paths import former_names

__getattr__ = former_names(__name__)
