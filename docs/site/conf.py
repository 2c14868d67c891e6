"""Sphinx's settings for the site; `build.py` names the folder that it reads."""

import sys
from pathlib import Path

import lqrpg

sys.path.insert(0, str(Path(__file__).parent))

project = "lqrpg"
author = "The lqrpg authors"
copyright = f"2026, {author}"
version = release = lqrpg.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "numpydoc", "docstrings", "mathml"]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
highlight_language = "text"
default_role = "py:obj"  # in docstrings single backticks are names, linked where they are public

myst_enable_extensions = ["dollarmath", "colon_fence"]
myst_heading_anchors = 4
myst_fence_as_directive = ["math"]
suppress_warnings = ["misc.highlighting_failure"]  # blocks of MATLAB and YAML that show a part of a file

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_type_aliases = {name: name for name in ("Array", "Marks", "Seed", "Code")}
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 80
numpydoc_show_class_members = False

html_math_renderer = "mathml"
html_theme = "furo"
html_title = f"lqrpg {release}"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False
