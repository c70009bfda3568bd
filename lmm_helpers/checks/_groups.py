"""The labels of groups, each of which is its text, and columns that may be missing."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray


def column_of(data: pd.DataFrame, name: str) -> pd.Series:
    """Give a column, or an error that lists those there are."""
    if name not in data.columns:
        columns = ", ".join(repr(str(column)) for column in data.columns)
        raise ValueError(f"column {name!r} is missing; the data have {columns or 'none'}.")
    return data[name]


def group_labels(values: pd.Series) -> pd.Series:
    """Give each label as its text; ordered as its categories are, or as the labels sort.

    1, 1.0 in a column of whole numbers and "1" are one group, "01" is another. A column with
    missing labels, or with labels of several types, is refused.
    """
    missing = np.flatnonzero(values.isna())
    if missing.size:
        raise ValueError(
            f"column {values.name!r} is missing in row {missing[0]}; name the group of every row."
        )
    labels = values.array.categories if isinstance(values.dtype, pd.CategoricalDtype) else values
    types = sorted({"number" if _is_number(label) else type(label).__name__ for label in labels})
    if len(types) > 1:
        raise ValueError(
            f"column {values.name!r} mixes labels of the types {', '.join(types)}; "
            "give all as text."
        )
    levels = values.astype("category").cat.remove_unused_categories().cat
    whole = types == ["number"] and (np.asarray(levels.categories, dtype=float) % 1 == 0).all()
    texts = [str(int(level) if whole else level) for level in levels.categories]
    return pd.Series(
        pd.Categorical.from_codes(levels.codes.to_numpy(), pd.Index(texts), ordered=True),
        index=values.index,
        name=values.name,
    )


def group_codes(data: pd.DataFrame, group: str, *, rows: int) -> tuple[NDArray[np.intp], pd.Index]:
    """Give the number of each observation's group, and the labels by number."""
    if len(data) != rows:
        raise ValueError(
            f"data has {len(data)} rows for {rows} observations; give the rows that were modelled."
        )
    labels = group_labels(column_of(data, group)).cat
    return labels.codes.to_numpy().astype(np.intp), pd.Index(labels.categories, name=group)


def _is_number(label: object) -> bool:
    """Tell whether a label is a number; true and false are not."""
    return isinstance(label, int | float | np.number) and not isinstance(label, bool)
