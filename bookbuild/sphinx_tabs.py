"""Sphinx extension: real tabs around executed cells, written so that JupyterLab reads them well.

    <!-- tab -->            begins a tab, and a set of tabs if none is open;
    **In statsmodels**      the paragraph that follows, bold and alone, is the label;
    …                       prose and code cells are the content;
    <!-- end tabs -->       closes the set.

Sets of one page switch together where their labels are equal.
"""

from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform
from sphinx.util.logging import getLogger
from sphinx_design.shared import create_component

BEGIN, END = "<!-- tab -->", "<!-- end tabs -->"
GROUP = "tongue"
LOGGER = getLogger(__name__)


class Tabs(SphinxTransform):
    """Turns what stands between the markers into the tabs of sphinx-design."""

    default_priority = 400

    def apply(self, **_: Any) -> None:
        """Rebuild every section that holds a marker."""
        for parent in {id(m.parent): m.parent for m in self.document.findall(_is_marker)}.values():
            parent.children = _with_tabs(list(parent.children))
            for child in parent.children:
                child.parent = parent


def _marker(node: nodes.Node) -> str:
    written = node.astext().strip() if isinstance(node, nodes.raw | nodes.comment) else ""
    return f"<!-- {written} -->" if isinstance(node, nodes.comment) else written


def _is_marker(node: nodes.Node) -> bool:
    return _marker(node) in {BEGIN, END}


def _with_tabs(children: list[nodes.Node]) -> list[nodes.Node]:
    """The children of a section, those between markers gathered into sets of tabs."""
    result: list[nodes.Node] = []
    tabs: list[list[nodes.Node]] = []
    for child in children:
        if _marker(child) == BEGIN:
            tabs.append([child])
        elif _marker(child) == END and tabs:
            result.append(_tab_set(tabs))
            tabs = []
        elif _marker(child) == END:
            _warn(f"{END} without a {BEGIN} before it in the same section", child)
        else:
            (tabs[-1] if tabs else result).append(child)
    if tabs:
        _warn(f"tabs are not closed: {END} is missing in the same section", tabs[0][0])
        result.append(_tab_set(tabs))
    return result


def _tab_set(tabs: list[list[nodes.Node]]) -> nodes.Node:
    items = [_tab_item(*tab) for tab in tabs]
    tab_set = create_component("tab-set", classes=["sd-tab-set"], children=items)
    tab_set.source, tab_set.line = tabs[0][0].source, tabs[0][0].line
    return tab_set


def _tab_item(begin: nodes.Node, *content: nodes.Node) -> nodes.Node:
    if not (content and _is_label(content[0])):
        _warn(
            f"{BEGIN} needs a label: a paragraph that is only bold, like **In statsmodels**", begin
        )
        content = (nodes.paragraph("", "no label"), *content)
    name, body = content[0].astext(), [*content[1:]]
    title = nodes.rubric(
        name, name, classes=["sd-tab-label"], sync_group=GROUP, sync_id=name.replace(" ", "-")
    )
    panel = create_component("tab-content", classes=["sd-tab-content"], children=body)
    return create_component("tab-item", classes=["sd-tab-item"], children=[title, panel])


def _is_label(node: nodes.Node) -> bool:
    parts = [part for part in node.children if part.astext()]
    is_bold = len(parts) == 1 and isinstance(parts[0], nodes.strong)
    return isinstance(node, nodes.paragraph) and is_bold


def _warn(message: str, node: nodes.Node) -> None:
    LOGGER.warning(message, location=node, type="tabs")


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the transform."""
    app.setup_extension("sphinx_design")
    app.add_transform(Tabs)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
