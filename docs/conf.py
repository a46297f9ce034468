"""How Sphinx builds these documents: ``make docs``."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# tools.docs, which fills in what is generated.
sys.path.insert(0, str(ROOT))

import mobilevit_edge  # noqa: E402

project = "mobilevit-edge"
author = "mobilevit-edge developers"
release = version = mobilevit_edge.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "tools.docs.site"]
root_doc = "index"
source_suffix = {".md": "markdown"}
# Links to headings of pages, as GitHub makes them.
myst_heading_anchors = 4
# Two hyphens begin an option, not a dash.
smartquotes = False
# Blocks without a language are commands and what they print.
highlight_language = "text"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented_params"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True
pygments_style, pygments_dark_style = "friendly", "monokai"

html_theme = "furo"
html_title = f"mobilevit-edge {release}"
html_show_sphinx = html_show_copyright = False
html_copy_source = False
# Readable without network: Furo brings its style and takes the system's fonts.
html_theme_options = {"navigation_with_keys": True}
