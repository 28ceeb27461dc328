"""Madelung: complete lattice sums of crystals with certified errors, and what is learnt from them.

The public names stand in ``__init__.pyi``, each once. A name is imported when it is first used, so
that ``import madelung`` itself loads nothing heavy.
"""

from __future__ import annotations

import lazy_loader

from madelung.common.former_paths import install_former_paths
from madelung.common.machine import one_thread_in_forks
from madelung.common.version import __version__

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
__all__ = [*__all__, "__version__"]

install_former_paths()
one_thread_in_forks()
