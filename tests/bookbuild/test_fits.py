"""The convergence gate, as it reads code: what passes and what does not."""

import pytest

from bookbuild import fits

PASSES = {
    "plain": "a = m.fit(random_seed=1)\ncheck_convergence(a)",
    "later cell": ("a = m.fit(random_seed=1)", "check_convergence(a)"),
    "module": "a = pm.sample(random_seed=1)\nlmm_helpers.check_convergence(a, name='a')",
    "helper": "a = fit(model, seed=1)\ncheck_convergence(a)",
    "two at once": "a = m.fit(seed=1)\nb = n.fit(seed=1)\ncheck_convergence({'a': a, 'b': b})",
    "loop": "a = m.fit(seed=1)\nb = n.fit(seed=1)\nfor x in (a, b):\n    check_convergence(x)",
    "items": "d = {k: m.fit(seed=1) for k in ms}\nfor k, v in d.items():\n    check_convergence(v)",
    "by key": "d = {k: m.fit(seed=1) for k in ms}\nfor k in d:\n    check_convergence(d[k])",
    "comprehension": "d = [m.fit(seed=1) for k in ms]\nx = [check_convergence(v) for v in d]",
    "display": "d = {'a': m.fit(seed=1)}\ncheck_convergence(d['a'])",
    "subscript": "d['a'] = m.fit(seed=1)\ncheck_convergence(d['a'])",
    "filled in a loop": "for k in ms:\n    d[k] = m.fit(seed=1)\ncheck_convergence(d)",
    "within the loop": "for k in ms:\n    a = m.fit(seed=1)\n    check_convergence(a)",
    "keyword": "a = m.fit(seed=1)\ncheck_convergence(idata=a)",
    "inside display()": "a = m.fit(seed=1)\ndisplay(check_convergence(a))",
    "statsmodels": "r = smf.ols('y ~ x', d).fit()\nm = smf.mixedlm('y ~ x', d)\nr = m.fit()",
    "scikit-learn": "LinearRegression().fit(x, y)",
    "not a sampler": "df.sample(3)\nrng.sample()\npm.sample_prior_predictive()",
}
FAILS = {
    "no seed": ("a = m.fit()\ncheck_convergence(a)", "random_seed="),
    "any keywords": ("a = m.fit(**options)\ncheck_convergence(a)", "random_seed="),
    "not checked": ("a = m.fit(seed=1)", "whole of a"),
    "checked before": ("check_convergence(a)\na = m.fit(seed=1)", "whole of a"),
    "assigned anew": ("a = m.fit(seed=1)\na = None\ncheck_convergence(a)", "whole of a"),
    "refitted": ("a = m.fit(seed=1)\na = m.fit(seed=2)\ncheck_convergence(a)", "whole of a"),
    "deleted": ("a = m.fit(seed=1)\ndel a\na = 1\ncheck_convergence(a)", "whole of a"),
    "not kept": ("m.fit(seed=1)", "right-hand side"),
    "summarised": ("s = az.summary(m.fit(seed=1))", "right-hand side"),
    "unpacked": ("a, b = m.fit(seed=1), 2\ncheck_convergence(a)", "right-hand side"),
    "in a function": ("def f():\n    a = m.fit(seed=1)\n    check_convergence(a)", "in a function"),
    "perhaps": ("a = m.fit(seed=1)\nif slow:\n    check_convergence(a)", "whole of a"),
    "in a lambda": ("a = m.fit(seed=1)\nf = lambda: check_convergence(a)", "whole of a"),
    "never consumed": ("a = m.fit(seed=1)\ng = (check_convergence(x) for x in [a])", "whole of a"),
    "short circuit": ("a = m.fit(seed=1)\nquick or check_convergence(a)", "whole of a"),
    "a part": ("a = m.fit(seed=1)\ncheck_convergence(a['posterior'])", "whole of a"),
    "one of many": ("d = {k: m.fit(seed=1) for k in ms}\ncheck_convergence(d['a'])", "whole of d"),
    "the first": ("d = [m.fit(seed=1) for k in ms]\ncheck_convergence(d[0])", "whole of d"),
    "other key": ("d = {'a': m.fit(seed=1)}\ncheck_convergence(d['b'])", "whole of d['a']"),
    "some": (
        "d = {k: m.fit(seed=1) for k in ms}\n[check_convergence(v) for v in d if v]",
        "whole of d",
    ),
    "break": (
        "d = {k: m.fit(seed=1) for k in ms}\nfor v in d:\n    check_convergence(v)\n    break",
        "of d",
    ),
    "only the last": ("for k in ms:\n    a = m.fit(seed=1)\ncheck_convergence(a)", "whole of a"),
    "another name": ("a = m.fit(seed=1)\ncheck_convergence(b)", "whole of a"),
    "nutpie": ("a = nutpie.sample(compiled, seed=1)", "whole of a"),
    "unknown receiver": ("ols = something()\nr = ols.fit(seed=1)", "whole of r"),
}


def faults(book, *cells):
    from bookbuild.chapters import read_notebook, source

    book.notebook("one", *cells)
    return fits.faults("one", read_notebook(source("one")))


@pytest.mark.parametrize("name", PASSES)
def test_these_pass(book, name):
    cells = PASSES[name]
    assert faults(book, *([cells] if isinstance(cells, str) else cells)) == []


@pytest.mark.parametrize("name", FAILS)
def test_these_do_not(book, name):
    code, message = FAILS[name]
    found = faults(book, "pass", code)
    assert found, code
    assert all(fault.startswith("one, cell 2 (c2): `") for fault in found)
    assert message in found[0]
