"""Designs made straight from arrays, and the normal density in sixty digits, for the tests."""

from decimal import Decimal, localcontext

import numpy as np

from lmm_large.design import Design, Effect, Term


def design_of(columns, response, groups, effects=(), *, intercept=True, terms=None):
    """Make a design of arrays: each column is a term, unless `terms` says which are.

    `effects` names the columns that vary by group, with 1 for the intercept.
    """
    names = list(columns)
    values = np.column_stack([*columns.values(), response]).astype(float)
    labels, codes = np.unique(groups, return_inverse=True)
    n = np.bincount(codes).astype(float)
    means = np.stack([values[codes == j].mean(axis=0) for j in range(len(labels))])
    away = values - means[codes]
    products = np.stack([away[codes == j].T @ away[codes == j] for j in range(len(labels))])
    return Design(
        response="y",
        group="g",
        labels=tuple(str(label) for label in labels),
        intercept=intercept,
        terms=tuple(
            Term(name, (names.index(name),), None) for name in (names if terms is None else terms)
        ),
        effects=tuple(
            Effect(f"{name}|g", None if name == "1" else names.index(name)) for name in effects
        ),
        columns=tuple(names),
        n=n,
        means=means,
        products=products,
    )


def exact_log_likelihood(rows, columns, response, groups, effects, given):
    """Give the density of all rows, group by group, by a dense Cholesky factor of sixty digits.

    `given` has coefficients (level first, at the centre of `rows`), sigma, spreads, correlation.
    """
    with localcontext() as context:
        context.prec = 60
        sds = [Decimal(float(np.ravel(sd)[0])) for sd in given["spreads"]]
        corr = Decimal(float(given.get("correlation") or 0.0))
        z = [[Decimal(1)] * len(response) if e == "1" else _exact(columns[e]) for e in effects]
        mean = [Decimal(float(rows.level))] * len(response)
        every = [np.ones(len(response)), *columns.values()]
        for b, c, x in zip(given["coefficients"], rows.centre, every, strict=True):
            mean = [
                m + Decimal(float(b)) * (v - Decimal(float(c)))
                for m, v in zip(mean, _exact(x), strict=True)
            ]
        away = [v - m for v, m in zip(_exact(response), mean, strict=True)]
        total = Decimal(0)
        sigma = np.broadcast_to(given["sigma"], len(set(groups)))
        for number, group in enumerate(np.unique(groups)):
            members = np.flatnonzero(groups == group)
            total += _dense([away[i] for i in members], [[u[i] for i in members] for u in z],
                            Decimal(float(sigma[number])), sds, corr)  # fmt: skip
        return float(total)


def _exact(values):
    return [Decimal(float(value)) for value in values]


def _dense(away, z, sigma, sds, corr):
    size = len(away)
    two_pi = 2 * Decimal("3.14159265358979323846264338327950288419716939937510582097494459")
    factor = [[Decimal(0)] * size for _ in range(size)]
    total, solved = -size * two_pi.ln() / 2, []
    for i in range(size):
        for j in range(i + 1):
            entry = sigma * sigma if i == j else Decimal(0)
            for a, one in enumerate(z):
                for b, other in enumerate(z):
                    share = 1 if a == b else corr
                    entry += one[i] * other[j] * sds[a] * sds[b] * share
            entry -= sum((factor[i][k] * factor[j][k] for k in range(j)), Decimal(0))
            factor[i][j] = entry.sqrt() if i == j else entry / factor[j][j]
        left = away[i] - sum((factor[i][k] * solved[k] for k in range(i)), Decimal(0))
        solved.append(left / factor[i][i])
        total -= factor[i][i].ln() + solved[i] * solved[i] / 2
    return total
