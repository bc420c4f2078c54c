"""How the documentation is built: ``sphinx-build -W docs docs/_build/html``."""

project = "Lineal"
author = "The Lineal authors"
extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
html_theme = "alabaster"
html_theme_options = {"description": "DevOps for machine learning in one package", "fixed_sidebar": True, "page_width": "1100px"}
myst_heading_anchors = 3
myst_enable_extensions = ["colon_fence", "deflist"]
