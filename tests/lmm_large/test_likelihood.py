"""The one likelihood against the dense normal density of all rows, in sixty digits."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import multivariate_normal

from lmm_large.likelihood import (
    group_effects,
    integrate_population,
    log_likelihood,
    pseudo_rows,
)
from tests.lmm_large.designs import design_of, exact_log_likelihood

FACTOR = 2.0**40  # about 1e12, and exact


def on_a_grid(rng, codes, offset, scale, among, constant):
    """Give numbers whose means by group are exact, so that the rows and their moments agree."""
    size = len(codes)
    steps = rng.normal(size=size) * (not constant) + among * rng.normal(size=size)[codes]
    steps = np.round(1024 * steps).astype(int)
    for code in np.unique(codes):
        members = np.flatnonzero(codes == code)
        steps[members[-1]] -= steps[members].sum() % len(members)
        if constant:
            steps[members] = steps[members[0]]
    return (offset + steps / 1024) * scale


@st.composite
def problems(draw):
    """Draw rows, and where the likelihood is wanted."""
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    sizes = draw(st.lists(st.integers(1, 9), min_size=1, max_size=5))
    codes = np.repeat(np.arange(len(sizes)), sizes)
    scales = st.sampled_from([1 / FACTOR, 1.0, FACTOR])
    unit = draw(scales)
    among = draw(st.sampled_from([0.0, 1.0, 30.0]))
    response = on_a_grid(rng, codes, draw(st.sampled_from([0.0, 1e9])), unit, among, False)
    columns, slopes = {}, []
    for number in range(draw(st.integers(0, 6))):
        kind = draw(st.sampled_from(["numeric", "numeric", "constant", "level", "copy"]))
        offset, scale = draw(st.sampled_from([0.0, 1e3, -1e9])), draw(scales)
        if kind == "level":
            offset, scale = 0.0, 1.0
            values = (rng.random(len(codes)) < 0.5).astype(float)
        elif kind == "copy" and columns:  # a predictor twice, in another unit
            _, scale, offset = slopes[0]
            values = 2 * next(iter(columns.values()))
        else:
            values = on_a_grid(rng, codes, offset, scale, 1.0, kind == "constant")
        columns[f"x{number}"] = values
        slopes.append((f"x{number}", scale, offset))
    intercept = [("1", 1.0, 0.0)] if draw(st.booleans()) else []
    effects = intercept + [slope for slope in slopes if draw(st.booleans())][:3]
    spreads = [
        draw(st.sampled_from([0.0, 1e-2, 1.0, 100.0])) * unit / scale
        / (draw(st.sampled_from([1.0, max(1.0, abs(offset))])))
        for _, scale, offset in effects
    ]  # fmt: skip
    coefficients = [rng.normal() * unit / scale for _, scale, _ in [("", 1.0, 0.0), *slopes]]
    sigma = unit * draw(st.sampled_from([0.05, 1.0, 20.0]))
    if draw(st.booleans()):
        sigma = sigma * rng.uniform(0.5, 2, len(sizes))
    pair = len(effects) == 2 and effects[0][0] == "1"
    correlation = draw(st.sampled_from([None, -0.999, 0.0, 0.6])) if pair else None
    where = {
        "coefficients": np.array(coefficients),
        "sigma": sigma,
        "spreads": [np.array([spread]) for spread in spreads],
        "correlation": correlation,
    }
    return columns, response, codes, [name for name, _, _ in effects], where


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(problems())
def test_equals_the_dense_normal_density(problem):
    columns, response, codes, effects, where = problem
    rows = pseudo_rows(design_of(columns, response, codes, effects))
    exact = exact_log_likelihood(rows, columns, response, codes, effects, where)
    bar = 1e-9 * (abs(exact) + len(codes))
    assert abs(log_likelihood(rows, **where) - exact) <= bar
    if np.ndim(where["sigma"]) == 0:
        rows = pseudo_rows(design_of(columns, response, codes, effects), pooled=True)
        assert abs(log_likelihood(rows, **where) - exact) <= bar


def a_problem(effects=("1", "x"), seed=3, intercept=True):
    rng = np.random.default_rng(seed)
    codes = np.array([0] * 9 + [1] * 12 + [2] * 2 + [3])
    x, w = rng.normal(2, 1, 24), rng.normal(size=4)[codes]
    response = 3 + x - w + rng.normal(size=4)[codes] * 2 + rng.normal(size=24)
    columns = {"x": x, "w": w}
    design = design_of(columns, response, codes, effects, intercept=intercept)
    return columns, response, codes, design


def covariance(codes, z, sigma, spreads, corr=0.0):
    """Write the covariance of all rows out."""
    inner = np.diag(np.square(spreads))
    if corr:
        inner[0, 1] = inner[1, 0] = corr * spreads[0] * spreads[1]
    return (codes[:, None] == codes) * (z @ inner @ z.T) + sigma**2 * np.eye(len(codes))


def test_the_dense_density_is_that_of_scipy():
    columns, response, codes, design = a_problem()
    rows = pseudo_rows(design)
    x = np.column_stack([np.ones(24), *columns.values()])
    cov = covariance(codes, x[:, :2], 0.5, [1.2, 0.7], 0.4)
    coefficients = np.array([0.3, -1.0, 2.0])
    where = {"coefficients": coefficients, "sigma": 0.5, "spreads": [1.2, 0.7], "correlation": 0.4}
    found = exact_log_likelihood(rows, columns, response, codes, ["1", "x"], where)
    expected = multivariate_normal.logpdf(
        response, rows.level + (x - rows.centre) @ coefficients, cov
    )
    assert found == pytest.approx(expected, rel=1e-10)


def test_without_an_intercept_nothing_is_centred():
    columns, response, codes, design = a_problem(("x",), intercept=False)
    rows = pseudo_rows(design, pooled=True)
    x = np.column_stack(list(columns.values()))
    cov = covariance(codes, x[:, :1], 0.5, [0.7])
    expected = multivariate_normal.logpdf(response, x @ [1.0, -0.5], cov)
    found = log_likelihood(rows, np.array([1.0, -0.5]), sigma=0.5, spreads=[np.array([0.7])])
    assert found == pytest.approx(expected, rel=1e-12)


def test_an_effect_of_a_column_that_is_no_term():
    columns, response, codes, _ = a_problem()
    design = design_of(columns, response, codes, ["1", "x"], terms=["w"])
    rows = pseudo_rows(design)
    z = np.column_stack([np.ones(24), columns["x"]])
    expected = multivariate_normal.logpdf(
        response,
        rows.level + 1.0 - 0.5 * (columns["w"] - rows.centre[1]),
        covariance(codes, z, 0.5, [1.2, 0.7]),
    )
    found = log_likelihood(rows, np.array([1.0, -0.5]), sigma=0.5, spreads=np.array([[1.2], [0.7]]))
    assert found == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("effects", "corr"), [([], 0.0), (["1"], 0.0), (["1", "x"], 0.4)])
def test_coefficients_are_integrated_out(effects, corr):
    columns, response, codes, design = a_problem(effects)
    rows = pseudo_rows(design, pooled=True)
    x = np.column_stack([np.ones(24), *columns.values()])
    spreads = [1.2, 0.7][: len(effects)]
    mean, sd = np.array([1.0, 0.5, -2.0]), np.array([5.0, 2.0, 3.0])
    found = integrate_population(
        rows,
        mean,
        sd,
        sigma=np.array([[0.9], [0.5]]),
        spreads=[np.full((2, 1), spread) for spread in spreads],
        correlation=np.full((2, 1), corr) if corr else None,
    )
    cov = covariance(codes, x[:, : len(effects)], 0.5, spreads, corr)
    away, centred = response - rows.level, x - rows.centre
    whole = cov + centred @ np.diag(sd**2) @ centred.T
    expected = multivariate_normal.logpdf(away, centred @ mean, whole)
    assert found.log_likelihood[1] == pytest.approx(expected, rel=1e-11)
    gain = np.diag(sd**2) @ centred.T @ np.linalg.inv(whole)
    np.testing.assert_allclose(found.mean[1], mean + gain @ (away - centred @ mean), rtol=1e-9)
    posterior = np.diag(sd**2) - gain @ centred @ np.diag(sd**2)
    for number in range(3):
        assert found.sd(number)[1] == pytest.approx(np.sqrt(posterior[number, number]), rel=1e-8)
    many = found._replace(
        mean=np.repeat(found.mean[1:], 40_000, axis=0),
        factor=type(found.factor)(
            [[a[1:] for a in row] for row in found.factor.below],
            [pivot[1:] for pivot in found.factor.pivots],
        ),
    ).draw(np.random.default_rng(1))
    width = np.sqrt(np.outer(np.diag(posterior), np.diag(posterior)))
    assert np.all(np.abs(np.cov(many.T) - posterior) <= 4.5 * np.sqrt(2 / 40_000) * width)


@pytest.mark.parametrize("offset", [0.0, 20.0])
@pytest.mark.parametrize(
    ("spreads", "corr"),
    [([1.5, 0.8], 0.6), ([1.5, 0.8], None), ([2.0, 0.0], None), ([0.0, 1.0], 0.6)],
)
def test_effects_have_the_mean_and_covariance_of_the_closed_form(offset, spreads, corr):
    columns, response, codes, _ = a_problem()
    columns["x"] = columns["x"] + offset
    rows = pseudo_rows(design_of(columns, response, codes, ["1", "x"]))
    draws, sigma, coefficients = 40_000, 0.7, np.array([0.5, -0.5, 1.0])
    where = {
        "sigma": np.full((draws, 1), sigma),
        "spreads": [np.full((draws, 1), spread) for spread in spreads],
        "correlation": None if corr is None else np.full((draws, 1), corr),
    }
    many = np.broadcast_to(coefficients, (draws, 3))
    effects = group_effects(rows, many, rng=np.random.default_rng(1), **where)
    means = group_effects(rows, many, **where)
    prior = covariance(np.zeros(2), np.eye(2), 0.0, spreads, corr or 0.0)
    for group in range(4):
        mine = codes == group
        z = np.column_stack([np.ones(mine.sum()), columns["x"][mine]])
        gain = prior @ z.T @ np.linalg.inv(z @ prior @ z.T + sigma**2 * np.eye(mine.sum()))
        x = np.column_stack([np.ones(mine.sum()), columns["x"][mine], columns["w"][mine]])
        mean = gain @ (response[mine] - rows.level - (x - rows.centre) @ coefficients)
        cov = prior - gain @ z @ prior
        sd = np.sqrt(np.maximum(np.diag(cov), 0.0))
        found = effects[:, :, group]
        np.testing.assert_allclose(means[:, 0, group], mean, rtol=1e-7, atol=1e-10)
        assert np.all(np.abs(found.mean(axis=1) - mean) <= 4.5 * sd / np.sqrt(draws) + 1e-12)
        scale = np.outer(sd, sd) * np.sqrt(2 / draws) * 4.5 + 1e-12
        assert np.all(np.abs(np.cov(found) - cov) <= scale)


def test_effects_a_million_million_times_the_residual_spread():
    columns, response, codes, _ = a_problem()
    columns = {"x": columns["x"], "u": 2 * columns["x"], "w": columns["w"]}
    rows = pseudo_rows(design_of(columns, response, codes, ["1", "x", "u"]))
    where = {
        "coefficients": np.array([0.0, 1.0, 1e10, 0.5]),
        "sigma": 1.0,
        "spreads": [np.array([0.0]), np.array([1e-3]), np.array([1e12])],
    }
    exact = exact_log_likelihood(rows, columns, response, codes, ["1", "x", "u"], where)
    assert abs(log_likelihood(rows, **where) - exact) <= 1e-9 * (abs(exact) + 24)
