"""The parser against formulae's own, and what it refuses."""

import pytest
from formulae import model_description
from formulae.terms.terms import Intercept
from hypothesis import given, settings
from hypothesis import strategies as st

from lmm_large.formula import label, parse

NAMES = st.sampled_from(["x", "z1", "Grüße", "a.b_c", "`two words`", "`x`", "`1|g;\"'`", "`~ + (`"])
PRODUCTS = st.recursive(
    NAMES | st.sampled_from(["group_mean(x)", "group_mean(`two words`)"]),
    lambda inner: st.tuples(inner, st.sampled_from([":", " : ", "*", "  * "]), inner).map("".join),
    max_leaves=4,
)
SLOPES = st.recursive(
    NAMES,
    lambda inner: st.tuples(inner, st.sampled_from([":", "*"]), inner).map("".join),
    max_leaves=3,
)
INTERCEPTS = st.sampled_from(["1", "0", "-1", "+ 1", "- 1"])


@st.composite
def formulas(draw):
    group = draw(st.sampled_from(["g", "`the group`"]))

    def effects():
        first = draw(st.sampled_from([[], ["1"], ["0"], ["-1"]]))
        slopes = draw(st.lists(SLOPES, min_size=first != ["1"], max_size=2))
        return f"({' + '.join([*first, *slopes])} | {group})"

    terms = draw(st.lists(PRODUCTS | INTERCEPTS, min_size=1, max_size=5))
    for _ in range(draw(st.integers(0, 2))):
        terms.insert(draw(st.integers(0, len(terms))), effects())
    right = terms[0]
    for term in terms[1:]:
        right += f" {term}" if term[0] in "+-" else f" + {term}"
    return f"y ~ {right}"


@pytest.mark.slow
@settings(max_examples=400, deadline=None)
@given(formulas())
def test_formulas_mean_what_formulae_says(text):
    theirs = model_description(text)
    ours = parse(text)
    common = [term for term in theirs.common_terms if not isinstance(term, Intercept)]
    assert ours.intercept == (len(common) < len(theirs.common_terms))
    assert [label(term) for term in ours.terms] == [
        term.name.replace("group_mean(`two words`)", "group_mean(two words)") for term in common
    ]
    assert [ours.effect_name(effect) for effect in ours.effects] == [
        term.name for term in theirs.group_terms
    ]
    assert ours.response == theirs.response.term.name
    assert parse(str(ours)) == ours


@pytest.mark.parametrize(
    ("right", "term", "way_out"),
    [
        ("log(x) + (1 | g)", "log(x)", "compute the column first"),
        ("z + x**2", "x**2", "compute the column first"),
        ("z + a*x ** 2", "a*x ** 2", "compute the column first"),
        ("bs(`x y`, df=3)", "bs(`x y`, df=3)", "compute the column first"),
        ("scale(x):z", "scale(x)", "compute the column first"),
        ("C(f)", "C(f)", "compute the column first"),
        ("2 * x", "2", "compute the column first"),
        ("'x'", "'x'", "compute the column first"),
        ("{x + 1}", "{x + 1}", "compute the column first"),
        ("x[1]", "x[1]", "compute the column first"),
        ("True", "True", "compute the column first"),
        ("x if y else z + w", None, "cannot be read"),
        ("group_mean(log(x))", "group_mean(log(x))", "compute the column first"),
        ("group_mean(x, z)", "group_mean(x, z)", "compute the column first"),
        ("group_mean(x=z)", "group_mean(x=z)", "compute the column first"),
        ("x z", None, "cannot be read"),
        ("a/b", "a/b", r"write a \+ a:b"),
        ("(a + b):c", "a + b", "write its terms out"),
        ("c * (a - b)", "a - b", "write its terms out"),
        ("(a", None, "cannot be read"),
        ("a - b", "b", "leave the term out"),
        ("-0 + b", "0", "write 1 for an intercept"),
        ("1 | g", "1 | g", "in brackets of their own"),
        ("(x) + 1 | g", "(x) + 1 | g", "in brackets of their own"),
        ("x:(1 | g)", "1 | g", "in brackets of their own"),
        ("(1 | g/h)", "1 | g/h", "by one column"),
        ("(1 | g:h)", "1 | g:h", "by one column"),
        ("(1 | g | h)", "1 | g", "in brackets of their own"),
        ("(1 | g", None, "cannot be read"),
        ("x - (1 | g)", "1 | g", "in brackets of their own"),
        ("(0 | g)", "0 | g", "name an effect"),
        ("(x + 0 | g)", "x + 0 | g", "0 or 1 stands first"),
        ("(log(x) | g)", "log(x)", "compute the column first"),
        ("(group_mean(x) | g)", "group_mean(x) | g", "has no slope there"),
        ("x # z", None, "cannot be read"),
        ("x, z", "x, z", "compute the column first"),
        ("", None, "cannot be read"),
        ("x + ", None, "cannot be read"),
        ("x + `z", None, "cannot be read"),
    ],
)
def test_what_is_not_understood_is_named_with_the_way_out(right, term, way_out):
    with pytest.raises(ValueError, match=way_out) as error:
        parse(f"y ~ {right}")
    if term is not None:
        assert f"the term {term!r} is not understood here: " in str(error.value)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("y ~ x + (1 | a) + (1 | b)", r"two groups, 'a' and 'b'.*in Bambi"),
        ("log(y) ~ x", r"the response is a column; 'log\(y\)' is none: compute the column first"),
        ("y + z ~ x", "the response is a column"),
        ("y", "one '~'"),
        ("y ~ x ~ z", "one '~'"),
        ("y ~ y + x", "must be different columns"),
        ("y ~ g + (1 | g)", "must be different columns"),
        ("y ~ x + (1 | y)", "must be different columns"),
    ],
)
def test_formulas_that_cannot_be_read(text, error):
    with pytest.raises(ValueError, match=error):
        parse(text)
    with pytest.raises(TypeError, match="a formula is text"):
        parse(None)


@pytest.mark.parametrize(
    "name",
    [
        *["chain", "draw", "sample", "Intercept", "sigma", "1", "__obs__", "a/b", ""],
    ],
)
@pytest.mark.parametrize("text", ["`{}` ~ x", "y ~ `{}`", "y ~ x + (`{}` | g)", "y ~ (1 | `{}`)"])
def test_names_that_a_posterior_cannot_hold_are_refused(name, text):
    with pytest.raises(
        ValueError, match=r"cannot stand in a posterior.*rename the column"
    ) as error:
        parse(text.format(name))
    assert f"the name {name!r} " in str(error.value)


@pytest.mark.parametrize(
    "name",
    [
        *["sigma_Intercept", "sigma_1|g", "sigma_1|g_sigma", "Intercept_centered", "1|g", "x|g"],
        *["x|g_sigma", "x|g_corr", "g__factor_dim", "x_dim", "x:z", "group_mean(x)"],
    ],
)
def test_names_of_parameters_are_refused_where_the_parameters_are(name):
    formula = "y ~ x + z + x:z + group_mean(x) + `{}` + (x | g)"
    with pytest.raises(ValueError, match="cannot stand in a posterior"):
        parse(formula.format(name))
    parse(formula.format(f"{name}s"))


def test_names_that_look_like_numbers_of_names_are_columns():
    assert parse("y ~ _1_ + _0_:_7_ + `_2_`").predictors == ("_1_", "_0_", "_7_", "_2_")
