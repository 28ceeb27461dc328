"""Sphinx configuration; `make docs` builds the pages into docs/_build/html."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).with_name("_extensions")))

project = "Madelung"
author = "Madelung developers"
copyright = f"2026, {author}"

extensions = [
    "generated_pages",
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.mathjax",
    "sphinx-mathjax-offline",  # MathJax's files, so that pages need no network
]
myst_enable_extensions = ["dollarmath", "amsmath"]
myst_heading_anchors = 3
autodoc_typehints = "description"
exclude_patterns = ["_build", "_extensions"]

html_theme = "furo"
html_title = "Madelung"
html_static_path = ["_static"]
html_css_files = ["pages.css"]
