"""Sphinx extension: real tabs around executed cells, written so that JupyterLab reads them well.

    <!-- tab -->            begins a tab, and a set of tabs if none is open;
    **In statsmodels**      the paragraph that follows, bold and alone, is the label;
    …                       prose and code cells are the content;
    <!-- end tabs -->       closes the set.

Sets of one page switch together where their labels are equal.
"""

from typing import Any, NamedTuple

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


class _Set(NamedTuple):
    begin: nodes.Node
    tabs: list[list[nodes.Node]]


def _marker(node: nodes.Node) -> str:
    written = node.astext().strip() if isinstance(node, nodes.raw | nodes.comment) else ""
    return f"<!-- {written} -->" if isinstance(node, nodes.comment) else written


def _is_marker(node: nodes.Node) -> bool:
    return _marker(node) in {BEGIN, END}


def _with_tabs(children: list[nodes.Node]) -> list[nodes.Node]:
    """The children of a section, those between markers gathered into sets of tabs."""
    result: list[nodes.Node] = []
    open_set: _Set | None = None
    for child in children:
        if _marker(child) == BEGIN:
            open_set = open_set or _Set(child, [])
            open_set.tabs.append([])
        elif _marker(child) == END:
            if open_set is None:
                _warn(f"{END} without a {BEGIN} before it in the same section", child)
            else:
                result.append(_tab_set(open_set))
            open_set = None
        elif open_set is None:
            result.append(child)
        else:
            if isinstance(child, nodes.section):
                _warn(f"a heading inside tabs: put {END} before it", child)
            open_set.tabs[-1].append(child)
    if open_set is not None:
        _warn(f"tabs are not closed: {END} is missing in the same section", open_set.begin)
        result.append(_tab_set(open_set))
    return result


def _tab_set(found: _Set) -> nodes.Node:
    items = [_tab_item(content, found.begin) for content in found.tabs]
    tab_set = create_component("tab-set", classes=["sd-tab-set"], children=items)
    tab_set.source, tab_set.line = found.begin.source, found.begin.line
    return tab_set


def _tab_item(content: list[nodes.Node], begin: nodes.Node) -> nodes.Node:
    label = content.pop(0) if content and _is_label(content[0]) else None
    if label is None:
        _warn(
            f"{BEGIN} needs a label: a paragraph that is only bold, like **In statsmodels**", begin
        )
    name = label.astext() if label else "no label"
    title = nodes.rubric(
        name, name, classes=["sd-tab-label"], sync_group=GROUP, sync_id=name.replace(" ", "-")
    )
    body = create_component("tab-content", classes=["sd-tab-content"], children=content)
    return create_component("tab-item", classes=["sd-tab-item"], children=[title, body])


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
