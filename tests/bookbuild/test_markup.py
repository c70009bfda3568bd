"""The HTML that a page of the book may hold: what shows something, nothing that runs or loads."""

import pytest

from bookbuild import markup


@pytest.mark.parametrize(
    "html",
    [
        "<table border='1'><tr style='text-align: right;'><td>1</td></tr></table>",
        "<style scoped>p { background: url(data:x) }</style>",
        "<svg viewBox='0 0 1 1'><use xlink:href='#icon'/><path d='M0 0'/></svg>",
        "<a href='https://example.org'>far</a> <a href='01_eda.html#x'>near</a>",
        "<script type='application/json'>{}</script>",
    ],
)
def test_html_that_shows_something_is_allowed(book, html):
    assert markup.faults(html) == []


@pytest.mark.parametrize(
    ("html", "message"),
    [
        ("<META http-equiv=refresh content='0; url=https://a'>", "<meta> is not"),
        ("<p OnMouseOver='x()'>", "remove onmouseover"),
        ("<p style='background: URL(//a/b.png)'>", "loads from elsewhere"),
        ("<style>@import 'https://a/b.css'</style>", "loads from elsewhere"),
        ("<style>@font-face { src: url(http://a/b) }</style>", "loads from elsewhere"),
        ("<svg><image href='https://a/b.png'/></svg>", "<image> is not"),
        ("<svg><use xlink:href='https://a/b.svg#x'/></svg>", "loads from elsewhere"),
        ("<a href='javascript:x()'>x</a>", "leads to no page"),
        ("<input type=image src=https://a/b>", "remove src"),
        ("<button formaction='https://a'>", "remove formaction"),
        ("<script src='x.js'></script>", "remove src"),
        ("<script type=module>import 'https://a'</script>", "none of lmm_helpers"),
        ("<object data='x'></object>", "<object> is not"),
        ("<details><iframe srcdoc='x'></iframe></details>", "<iframe> is not"),
        ("<IMG SRC='data:image/png;base64,aGk='>", "<img> is not"),
    ],
)
def test_html_that_runs_or_loads_is_not(book, html, message):
    assert any(message in fault for fault in markup.faults(html)), markup.faults(html)


def test_the_scripts_of_the_helpers_are_known_by_their_text(book):
    book.write("lmm_helpers/figures/turn.js", "turn()")
    assert markup.faults("<script>turn()</script>") == []
    assert markup.faults("<script>turn() </script>") != []
