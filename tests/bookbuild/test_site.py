"""The checks of the site: a whole one has no faults, and each planted fault is found."""

import pytest

from bookbuild import site
from bookbuild.render import SITE

PAGE = (
    f"<html><head>{site.POLICY}"
    '<link rel="stylesheet" href="../_static/a.css"></head><body>'
    '<h1 id="top">One</h1><a href="#top">up</a> <a href="index.html">home</a>'
    '<a href="https://example.org">far</a><img src="../_static/p%20q.png" alt="A plot">'
    "<!-- tab --><script>'{cite}'</script>PLANTED</body></html>"
)
FAULTS = {
    '<a href="gone.html">x</a>': "'gone.html' leads to no file",
    '<a href="index.html#gone">x</a>': "no such place",
    '<a href="#gone">x</a>': "no such place",
    '<a href="/index.html">x</a>': "root of the host",
    '<img src="gone.png" alt="A plot">': "leads to no file",
    '<script src="https://cdn.example/x.js"></script>': "from another host",
    '<script src="//cdn.example/x.js"></script>': "from another host",
    '<link rel="stylesheet" href="https://cdn.example/x.css">': "from another host",
    '<link rel="preconnect" href="https://cdn.example">': "from another host",
    '<iframe src="https://video.example"></iframe>': "from another host",
    '<img SRCSET="https://cdn.example/b.png 2x" alt="A plot">': "from another host",
    '<META HTTP-EQUIV="Refresh" content="0; url=https://away.example">': "leads readers away",
    "<p>Traceback (most recent call last):</p>": "unfinished text",
    "<p>{cite}`doe`</p>": "unfinished text",
    "<p>&lt;!-- tab --&gt;</p>": "unfinished text",
}


@pytest.fixture
def built(book):
    """A little site of the sample book."""
    book.write(
        "_build/html/index.html",
        f'{site.POLICY}<meta http-equiv="Refresh" content="0; url=book/index.html">',
    )
    book.write("_build/html/book/index.html", PAGE)
    book.write("_build/html/book/one.html", PAGE)
    book.write("_build/html/_static/a.css", "@import 'b.css'; p { background: url(data:x) }")
    book.write("_build/html/_static/p q.png", "")
    assert site.faults(SITE) == []
    return book


@pytest.mark.parametrize("planted", FAULTS)
def test_each_fault_is_found(built, planted):
    built.write("_build/html/book/one.html", PAGE.replace("PLANTED", f"\n{planted}"))
    (fault,) = site.faults(SITE)
    assert fault.startswith("book/one.html, line 2: ")
    assert FAULTS[planted] in fault


@pytest.mark.parametrize(
    "page", [PAGE.replace(site.POLICY, ""), PAGE.replace("<head>", "<meta x>")]
)
def test_the_policy_comes_first(built, page):
    built.write("_build/html/book/one.html", page)
    assert any("the content-security policy does not come first" in f for f in site.faults(SITE))


@pytest.mark.parametrize("page", ["book/one.html", "index.html"])
def test_a_missing_page_is_found(built, page):
    (built.folder / "_build/html" / page).unlink()
    assert f"{page}: this page of _toc.yml was not built" in site.faults(SITE)
