"""A table as it is pasted into a paper, a README or a page."""

import re
from collections.abc import Callable

import pandas as pd

MARKUPS = ("html", "latex", "markdown")
_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>|#~$])")


def table_markup(table: pd.DataFrame, *, markup: str) -> str:
    r"""Write a table in a markup language, with every name escaped as that language needs it.

    Parameters
    ----------
    table
        Any frame with one level of rows and one of columns; round it first, or format its
        cells as text. Names and text may hold any characters.
    markup
        ``"html"``, ``"latex"`` (a ``tabular`` with the rules of booktabs) or ``"markdown"``
        (a pipe table).

    Returns
    -------
    str
        The table with its index; text to the left, numbers to the right.

    Raises
    ------
    ValueError
        If `markup` is none of the three.

    Notes
    -----
    pandas escapes HTML and LaTeX itself, but not Markdown, where a ``|`` as in ``1|county_sigma``
    would begin a new column; a ``|`` in LaTeX is a dash in the standard fonts, and a line break
    ends the row. Line breaks become spaces in both. Source: chapter 5.

    See Also
    --------
    pandas.DataFrame.to_latex, pandas.DataFrame.to_html : Which this builds on.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"mean": [13.1]}, index=["1|county_sigma"])
    >>> print(table_markup(table, markup="markdown"))
    |                  |   mean |
    |:-----------------|-------:|
    | 1\|county\_sigma |   13.1 |
    """
    if markup not in MARKUPS:
        raise ValueError(f"markup is {markup!r}; choose one of {MARKUPS}.")
    numeric = [pd.api.types.is_numeric_dtype(kind) for kind in table.dtypes]
    if markup == "html":
        return str(table.to_html(border=0))
    if markup == "latex":
        columns = "".join("r" if number else "l" for number in numeric)
        latex = _on_text(table, _one_line).to_latex(escape=True, column_format=f"l{columns}")
        return str(latex).replace("|", r"\textbar{}")
    escaped = _on_text(table, lambda text: _MARKDOWN.sub(r"\\\1", _one_line(text)))
    sides = ["left", *("right" if number else "left" for number in numeric)]
    return str(escaped.rename_axis(None).to_markdown(colalign=sides, disable_numparse=True))


def _on_text(table: pd.DataFrame, change: Callable[[str], str]) -> pd.DataFrame:
    """Change every text of a table, names included."""

    def changed(value: object) -> object:
        return change(value) if isinstance(value, str) else value

    named = table.rename(index=changed, columns=changed).map(changed)
    named.index.name, named.columns.name = map(changed, (table.index.name, table.columns.name))
    return named


def _one_line(text: str) -> str:
    """Put a space for each line break."""
    return " ".join(text.splitlines())
