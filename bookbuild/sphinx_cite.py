"""Sphinx extension: `[Gelman and Hill (2007)](cite:gelman2007)` links to the entry of that work.

The link text is what the author wrote, so that it reads well in JupyterLab too; the page and the
anchor of the entry come from sphinxcontrib-bibtex, whichever page holds the bibliography.
"""

from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.logging import getLogger

SCHEME = "cite"
LOGGER = getLogger(__name__)


class CitationLinks(SphinxPostTransform):
    """Replaces the address `cite:key` by that of the entry."""

    default_priority = 300

    def run(self, **_: Any) -> None:
        """Resolve every citation of the page."""
        for link in self.document.findall(nodes.reference):
            scheme, _colon, key = link.get("refuri", "").partition(":")
            if scheme == SCHEME:
                link["refuri"] = self._address(key, link)
                link["classes"] = [*link["classes"], "citation"]
                link["internal"] = True

    def _address(self, key: str, link: nodes.reference) -> str:
        domain: Any = self.env.get_domain("cite")
        for citation in domain.citations:
            if citation.key == key:
                page = citation.bibliography_key.docname
                here = self.env.docname
                relative = self.app.builder.get_relative_uri(here, page) if page != here else ""
                return f"{relative}#{citation.citation_id}"
        LOGGER.warning("no entry %r in the bibliography", key, location=link, type="cite")
        return "#"


def _accept_scheme(_app: Sphinx, config: Config) -> None:
    """Let MyST pass addresses that begin `cite:` through."""
    config.myst_url_schemes = [*config.myst_url_schemes, SCHEME]


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the transform."""
    app.setup_extension("sphinxcontrib.bibtex")
    app.connect("config-inited", _accept_scheme)
    app.add_post_transform(CitationLinks)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
