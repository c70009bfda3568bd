"""The moments of a design, made of statistics, against those of Bambi's own columns."""

import itertools

import bambi as bmb
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmm_large import group_statistics, merge_statistics
from lmm_large.design import design


def group_mean_of(rows):
    def group_mean(values):
        codes = rows["g"].to_numpy()
        return (np.bincount(codes, values) / np.bincount(codes))[codes]

    return group_mean


def moments(columns, codes):
    """Give means and centred cross-products of columns by group, in long double."""
    columns = np.asarray(columns, np.longdouble)
    means, products = [], []
    for group in range(codes.max() + 1):
        part = columns[codes == group]
        means.append(part.mean(0))
        products.append((part - means[-1]).T @ (part - means[-1]))
    return np.array(means), np.array(products)


def assert_is_bambis(found, formula, rows):
    """Compare names, coding, levels and moments with the design that Bambi makes of the rows."""
    model = bmb.Model(
        formula, rows, extra_namespace={"group_mean": group_mean_of(rows)}, auto_scale=False
    )
    component = model.components["mu"]
    codes = rows["g"].to_numpy()
    assert found.intercept == (component.intercept_term is not None)
    columns = []
    theirs = component.common_terms
    assert [term.name for term in found.terms] == list(theirs)
    for term in found.terms:
        data = np.reshape(theirs[term.name].data, (len(rows), -1))
        assert len(term.columns) == data.shape[1]
        levels = theirs[term.name].levels if theirs[term.name].categorical else None
        assert term.levels == (None if levels is None else tuple(levels))
        names = theirs[term.name].term.labels
        assert [found.columns[i] for i in term.columns] == names
        columns.append(data)
    assert [effect.name for effect in found.effects] == list(component.group_specific_terms)
    means, products = moments(np.column_stack([*columns, rows["y"]]), codes)
    order = [*itertools.chain(*(term.columns for term in found.terms)), len(found.columns)]
    count = np.bincount(codes)
    assert found.n.tolist() == count.tolist()
    sizes = {name: rows[name].abs().max() for name in set(rows) & set("xzuy")}
    sizes |= {f"group_mean({name})": size for name, size in sizes.items()}
    names = [*(found.columns[i] for i in order[:-1]), "y"]
    largest = np.array([np.prod([sizes.get(p, 1) for p in name.split(":")]) for name in names])
    rounding = 4 * np.finfo(float).eps * largest + 1e-300
    spread = np.sqrt(np.diagonal(products, axis1=1, axis2=2) / count[:, None])
    assert (np.abs(found.means[:, order] - means) <= rounding).all()
    inner = 1e-12 * spread[:, :, None] * spread[:, None, :]
    outer = (spread[:, :, None] + rounding[:, None]) * rounding
    bound = count[:, None, None] * (inner + outer + outer.transpose(0, 2, 1))
    assert (np.abs(found.products[:, order][:, :, order] - products) <= bound).all()


TERMS = ["x", "z", "u", "f", "h", "o", "x:f", "f:h", "x*f", "f*h", "x:z", "o:u", "f:h:x", "x:f:z"]
TERMS += ["group_mean(x)", "group_mean(x):z", "z*group_mean(x)", "group_mean(z):f", "h:x", "z:x"]


@st.composite
def cases(draw):
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    groups = draw(st.integers(2, 6))
    n = draw(st.integers(30, 60))
    codes = np.concatenate([np.arange(groups), rng.integers(0, groups - 1, n - groups)])
    rows = pd.DataFrame({"g": codes})
    for name in "xzy":
        offset = draw(st.sampled_from([0.0, 1.0, 1e9]))
        scale = draw(st.sampled_from([1e-12, 1.0, 1e12]))
        rows[name] = (rng.normal(size=n) + offset) * scale
    rows["u"] = rng.normal(size=groups)[codes]
    for name, levels in (("f", "cab"), ("h", ["no", "yes"]), ("o", ["9", "x", "10", "unseen"])):
        values = rng.integers(0, len(levels) - (name == "o"), n)
        rows[name] = np.array(list(levels))[np.sort(values) if name == "h" else values]
    rows["f"] = rows["f"].astype("category")
    rows["h"] = rows["h"].astype("category")
    rows["o"] = pd.Categorical(rows["o"], ["9", "x", "10", "unseen"], ordered=True)
    terms = draw(st.lists(st.sampled_from(TERMS), min_size=1, max_size=5, unique=True))
    zero = draw(st.sampled_from(["", "0 + "]))
    effects = draw(st.sampled_from(["1", "x", "0 + z", "1 + x + z"]))
    return rows, f"y ~ {zero}{' + '.join(terms)} + ({effects} | g)"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@settings(max_examples=60, deadline=None)
@given(cases())
def test_a_design_has_the_columns_that_bambi_makes(case):
    rows, formula = case
    found = group_statistics(rows, formula)
    try:
        made = design(found)
    except ValueError as error:
        assert "repeats another one" in str(error)  # noqa: PT017
        with pytest.raises(IndexError):
            assert_is_bambis(None, formula, rows)
        return
    assert_is_bambis(made, formula, rows)
    halves = [group_statistics(rows[i::2], formula) for i in range(2)]
    assert_is_bambis(design(merge_statistics(*halves)), formula, rows)


def rows_of(n=60):
    rng = np.random.default_rng(3)
    codes = np.arange(n) % 7
    f = np.array(list("abc"))[rng.integers(0, 3, n)]
    h = np.array(list("uv"))[rng.integers(0, 2, n)]
    x, z, y = rng.normal(size=(3, n))
    rows = pd.DataFrame({"y": y, "x": x, "z": z, "f": f, "h": h, "g": codes})
    return rows.astype({"f": "category", "h": "category"})


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "formula",
    [
        "y ~ x",
        "y ~ z + (1 | g)",
        "y ~ 0 + f + (1 | g)",
        "y ~ h + x:f + (1 | g)",
        "y ~ f:h + (x | g)",
        "y ~ 0 + x*f + group_mean(z) + (0 + z | g)",
        "y ~ group_mean(x)*f + (1 | g)",
    ],
)
def test_one_scan_serves_every_part_of_the_model(formula):
    rows = rows_of()
    gathered = group_statistics(rows, "y ~ x*f*h + z + x:z + (x + z | g)")
    assert_is_bambis(design(gathered, formula), formula, rows)


@pytest.mark.parametrize(
    ("formula", "error"),
    [
        ("y ~ w + (1 | g)", "the column 'w' was not gathered"),
        ("y ~ z:f + (1 | g)", "the column 'z:f' was not gathered"),
        ("y ~ group_mean(w) + (1 | g)", "the column 'w' was not gathered"),
        ("y ~ x + (x:z | g)", "the column 'x:z' was not gathered"),
        ("z ~ x + (1 | g)", "the response of these statistics is 'y', not 'z'"),
        ("y ~ x + (1 | h)", "the group of these statistics is 'g', not 'h'"),
        ("y ~ x + (f | g)", "the factor 'f' has no mean and no slope"),
        ("y ~ group_mean(f) + (1 | g)", "the factor 'f' has no mean and no slope"),
    ],
)
def test_what_was_not_gathered_is_named(formula, error):
    gathered = group_statistics(rows_of(), "y ~ x*f + z + (1 | g)")
    with pytest.raises(ValueError, match=error):
        design(gathered, formula)


def test_no_predictor_at_all():
    rows = rows_of()
    found = design(group_statistics(rows, "y ~ 1 + (1 | g)"))
    assert (found.columns, found.terms) == ((), ())
    assert found.means.shape == (7, 1)
    expected = rows.groupby("g")["y"].var() * (rows.groupby("g").size() - 1)
    np.testing.assert_allclose(found.products[:, 0, 0], expected)


def test_a_factor_of_one_level_and_a_term_that_repeats_another_are_named():
    rows = rows_of().assign(f="a")
    with pytest.raises(ValueError, match="the factor 'f' has one level only"):
        design(group_statistics(rows, "y ~ f + (1 | g)"))
    with pytest.raises(ValueError, match="the term 'h:f' repeats another"):
        design(group_statistics(rows_of(), "y ~ f*h + h:f + (1 | g)"))


def test_a_name_that_a_further_term_takes_is_refused():
    """Bambi puts h before f:h by itself, in which case no column may be called h_dim."""
    rows = rows_of().rename(columns={"x": "h_dim"})
    gathered = group_statistics(rows, "y ~ h_dim + f:h + (1 | g)")
    with pytest.raises(ValueError, match="the name 'h_dim' cannot stand in a posterior"):
        design(gathered)
