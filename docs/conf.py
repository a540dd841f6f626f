"""Settings of the documentation site: ``make docs`` builds it, without a network, into ``docs/_build/html``.

What can be generated is: tutorials are run, examples become the gallery, and cards of priors get their pictures,
figures and settings from the package. ``docs/ext`` has one module for each.
"""

import logging
import sys
from pathlib import Path

import zeroshot

sys.path.insert(0, str(Path(__file__).parent / "ext"))

# Before a package of the theme does it, which would show whatever is logged from the level INFO on.
logging.basicConfig(level=logging.WARNING)

project = "zeroshot"
author = "The zeroshot authors"
release = version = zeroshot.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "before_after",
    "vector_mathematics",
    "docstrings",
    "page_runs",
    "gallery",
    "prior_cards",
    "task_reference",
    "home_pictures",
]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build", "_made", "ext"]
# Blocks that are indented are commands.
highlight_language = "sh"
default_role = "literal"
# "--fast" is an option and no dash.
smartquotes = False

# Names of attributes are looked up as if they were links: an "image" of one class is that of several others.
suppress_warnings = ["ref.python"]

myst_enable_extensions = ["attrs_block", "attrs_inline", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 4

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
autodoc_class_signature = "mixed"
maximum_signature_line_length = 88
python_maximum_signature_line_length = 88
add_module_names = False
napoleon_google_docstring = False
napoleon_use_param = False
napoleon_use_rtype = False
napoleon_use_ivar = True
napoleon_custom_sections = []

html_show_copyright = False  # LICENSE says whose it is
html_theme = "furo"
html_title = "zeroshot"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_js_files = ["before_after.js"]
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#9a3412", "color-brand-content": "#9a3412"},
    "dark_css_variables": {"color-brand-primary": "#fdba74", "color-brand-content": "#fdba74"},
}
