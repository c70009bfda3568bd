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
        for parent in {marker.parent: 0 for marker in self.document.findall(_marker)}:
            children, parent.children = parent.children, []
            parent.extend(_with_tabs(children))


def _marker(node: nodes.Node) -> str | None:
    """Which marker a node is, if it is one."""
    written = node.astext().strip() if isinstance(node, nodes.raw | nodes.comment) else ""
    return next((one for one in (BEGIN, END) if one in {written, f"<!-- {written} -->"}), None)


def _with_tabs(children: list[nodes.Node]) -> list[nodes.Node]:
    """The children of a section, those between markers gathered into sets of tabs."""
    result: list[nodes.Node] = []
    tabs: list[list[nodes.Node]] = []
    for child in [*children, None]:
        marker = child and _marker(child)
        if tabs and (marker == END or child is None):
            if child is None:
                _warn(f"tabs are not closed: {END} is missing in the same section", tabs[0][0])
            items = [_tab(*tab) for tab in tabs]
            result.append(create_component("tab-set", classes=["sd-tab-set"], children=items))
            tabs = []
        elif marker == END:
            _warn(f"{END} without a {BEGIN} before it in the same section", child)
        elif marker == BEGIN:
            tabs.append([child])
        elif child is not None:
            (tabs[-1] if tabs else result).append(child)
    return result


def _tab(begin: nodes.Node, label: nodes.Node | None = None, *content: nodes.Node) -> nodes.Node:
    parts = [part for part in label.children if part.astext()] if label else []
    if len(parts) != 1 or not isinstance(parts[0], nodes.strong):
        wanted = "a paragraph that is only bold, like **In statsmodels**"
        _warn(f"{BEGIN} needs a label: {wanted}", begin)
    name = label.astext() if label else ""
    switch = {"sync_group": GROUP, "sync_id": name.replace(" ", "-")}
    title = nodes.rubric(name, name, classes=["sd-tab-label"], **switch)
    panel = create_component("tab-content", classes=["sd-tab-content"], children=content)
    return create_component("tab-item", classes=["sd-tab-item"], children=[title, panel])


def _warn(message: str, node: nodes.Node | None) -> None:
    LOGGER.warning(message, location=node, type="tabs")


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the transform."""
    app.setup_extension("sphinx_design")
    app.add_transform(Tabs)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
