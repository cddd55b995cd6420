# SPDX-License-Identifier: GPL-2.0-only
"""How Sphinx renders this directory.

	KSRC=<kernel source> sphinx-build Documentation build/html

The `kernel-doc` directive includes the comments of a header, as the kernel's
own documentation does. It calls the script of the kernel source (7.3 or newer)
that KSRC names; without one, a line says where the comments are to be read.
"""
import os
import subprocess

from docutils import nodes
from docutils.parsers.rst import directives
from docutils.statemachine import StringList
from sphinx.util.docutils import SphinxDirective

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

project = "Ferry"
root_doc = "index"
source_suffix = ".rst"
exclude_patterns = ["man"]
html_theme = "classic"
html_show_copyright = False
highlight_language = "none"
# The comments name types of the kernel and of the C library.
nitpicky = False


def kernel_doc_script():
    """The script of the kernel source, or None without one."""
    script = os.path.join(os.environ.get("KSRC", ""), "tools/docs/kernel-doc")
    return script if "KSRC" in os.environ and os.path.exists(script) else None


class KernelDoc(SphinxDirective):
    """.. kernel-doc:: FILE, with the names of `:identifiers:` or all."""

    required_arguments = 1
    option_spec = {"identifiers": directives.unchanged}

    def run(self):
        path = self.arguments[0]
        self.env.note_dependency(os.path.join(TOP, path))
        script = kernel_doc_script()
        if not script:
            text = f"(See the comments in {path}; KSRC was not set.)"
            return [nodes.paragraph(text, text)]
        names = self.options.get("identifiers", "").split()
        wanted = [word for name in names for word in ("-s", name)]
        rst = subprocess.run([script, "-rst", *wanted, path], cwd=TOP,
                             check=True, capture_output=True, text=True).stdout
        node = nodes.section()
        node.document = self.state.document
        self.state.nested_parse(StringList(rst.splitlines(), path), 0, node,
                                match_titles=1)
        return node.children


def link_pages(app, doctree):
    """Links go to the sources, so that they work without Sphinx, too."""
    for node in doctree.findall(nodes.reference):
        uri = node.get("refuri", "")
        if "/" not in uri and uri.endswith(".rst"):
            node["refuri"] = uri[:-len("rst")] + "html"


def setup(app):
    app.add_directive("kernel-doc", KernelDoc)
    app.connect("doctree-read", link_pages)
    return {"parallel_read_safe": True}
