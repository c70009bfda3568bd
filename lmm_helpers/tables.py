"""A table as it is pasted into a paper, a README or a page."""

import re

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
    would begin a new column. Source: chapter 5.

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
        return str(table.to_latex(escape=True, column_format=f"l{columns}"))
    escaped = table.rename(index=_escaped, columns=_escaped).rename_axis(None).map(_escaped)
    sides = ["left", *("right" if number else "left" for number in numeric)]
    return str(escaped.to_markdown(colalign=sides, disable_numparse=True))


def _escaped(value: object) -> object:
    """Keep Markdown from reading text as markup."""
    return _MARKDOWN.sub(r"\\\1", value) if isinstance(value, str) else value
