"""The likelihood of group statistics against the dense normal density of all rows."""

from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import multivariate_normal

from lmm_large import Prior, group_statistics
from lmm_large.group_model import (
    covariance,
    draw_effects,
    group_data,
    log_likelihood,
    moments,
    read_priors,
)

NAMES = ("y", "x", "g")


def dense(rows, intercept, slope, sigma, sd0, sd1, corr, origin=0.0):
    """Return the log density of each group's rows, their covariance matrix written out.

    The effects of the group belong to a predictor that is `origin` more than the rows say.
    """
    move = np.array([[1.0, origin], [0.0, 1.0]], np.longdouble)
    effects = move @ [[sd0**2, corr * sd0 * sd1], [corr * sd0 * sd1, sd1**2]] @ move.T
    found = []
    for number, (_, part) in enumerate(rows.groupby("g")):
        z = np.column_stack([np.ones(len(part)), part["x"]]).astype(np.longdouble)
        spread = np.broadcast_to(sigma, rows["g"].nunique())[number]
        cov = z @ effects @ z.T + spread**2 * np.eye(len(part))
        factor = cholesky(cov)
        residuals = part["y"].to_numpy() - z @ np.array([intercept, slope])
        left = np.zeros(len(part), np.longdouble)
        for row in range(len(part)):
            left[row] = (residuals[row] - factor[row, :row] @ left[:row]) / factor[row, row]
        constant = len(part) * np.log(2 * np.pi) + 2 * np.log(np.diag(factor)).sum()
        found.append(-0.5 * (constant + left @ left))
    return np.array(found, float)


def cholesky(matrix):
    """Factor in 64 bits of mantissa: in 53 the reference would err by more than the bar."""
    factor = np.zeros(matrix.shape, np.longdouble)
    for column in range(len(matrix)):
        rest = matrix[column:, column] - factor[column:, :column] @ factor[column, :column]
        factor[column:, column] = rest / np.sqrt(rest[0])
    return factor


def test_the_dense_density_is_that_of_scipy():
    rng = np.random.default_rng(1)
    rows = pd.DataFrame(rng.normal(size=(30, 2)), columns=["y", "x"]).assign(g=np.arange(30) % 3)
    expected = []
    for _, part in rows.groupby("g"):
        z = np.column_stack([np.ones(len(part)), part["x"]])
        cov = z @ [[1.44, 0.336], [0.336, 0.49]] @ z.T + 0.25 * np.eye(len(part))
        expected.append(multivariate_normal.logpdf(part["y"], z @ [0.3, -1.0], cov))
    np.testing.assert_allclose(dense(rows, 0.3, -1.0, 0.5, 1.2, 0.7, 0.4), expected, rtol=1e-10)


def by_statistics(rows, intercept, slope, *spread):
    data = group_data(group_statistics(rows, *NAMES))
    level = intercept + slope * data.grand_predictor - data.grand_response
    return log_likelihood(data, level, slope, *spread)


@st.composite
def designs(draw):
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    sizes = draw(st.lists(st.integers(1, 25), min_size=1, max_size=6))
    groups = np.repeat(np.arange(len(sizes)), sizes)
    x = rng.normal(size=len(groups)) * draw(st.sampled_from([1e-3, 1.0, 30.0]))
    x += rng.normal(size=len(sizes))[groups]
    for group in range(len(sizes)):
        if draw(st.booleans()):
            x[groups == group] = draw(st.sampled_from([0.0, 0.1]))
    y = rng.normal(size=len(groups)) * draw(st.sampled_from([0.1, 1.0, 20.0]))
    y += 3 * rng.normal(size=len(sizes))[groups]
    return pd.DataFrame({"y": y, "x": x, "g": groups})


spreads = st.sampled_from([0.0, 1e-6, 0.1, 1.0, 10.0])


@settings(max_examples=150, deadline=None)
@given(
    rows=designs(),
    slope=st.floats(-5, 5),
    sigma=st.sampled_from([0.05, 1.0, 20.0]),
    sd0=spreads,
    sd1=spreads,
    corr=st.sampled_from([-0.999, -0.5, 0.0, 0.8, 1.0]),
)
def test_equals_the_dense_normal_density(rows, slope, sigma, sd0, sd1, corr):
    arguments = (1.5, slope, sigma, sd0, sd1, corr)
    expected = dense(rows, *arguments)
    # a sum of two large terms may be small: relative to the size of what is summed
    np.testing.assert_allclose(by_statistics(rows, *arguments), expected, rtol=1e-8, atol=1e-8)


@settings(max_examples=100, deadline=None)
@given(
    rows=designs(),
    offset=st.sampled_from([1e-3, -1e3, 1e6, -1e7]),
    sd0=spreads,
    tilt=st.sampled_from([0.0, 0.3, 3.0]),
    corr=st.sampled_from([-0.9, 0.0, 0.5]),
    slope=st.floats(-5, 5),
)
def test_offsets_cost_no_digits(rows, offset, sd0, tilt, corr, slope):
    """Rows near zero, whose density is computed with ease, are shifted far away, and exactly so."""
    grid = rows.assign(y=(rows["y"] * 1024).round() / 1024, x=(rows["x"] * 1024).round() / 1024)
    step = np.round(offset * 1024) / 1024
    shifted = grid.assign(y=grid["y"] + step, x=grid["x"] + step)
    sd1 = tilt / max(1.0, abs(step))
    expected = dense(grid, 1.5, slope, 1.0, sd0, sd1, corr, origin=step)
    data = group_data(group_statistics(shifted, *NAMES))
    near = group_data(group_statistics(grid, *NAMES))
    level = 1.5 + slope * near.grand_predictor - near.grand_response
    found = log_likelihood(data, level, slope, 1.0, sd0, sd1, corr)
    np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-8)


def test_each_group_with_a_residual_spread_of_its_own():
    rng = np.random.default_rng(3)
    rows = pd.DataFrame(rng.normal(size=(40, 2)), columns=["y", "x"]).assign(g=np.arange(40) % 3)
    sigma = np.array([0.3, 1.0, 4.0])
    arguments = (0.2, -1.0, sigma, 1.2, 0.7, 0.4)
    np.testing.assert_allclose(by_statistics(rows, *arguments), dense(rows, *arguments), rtol=1e-12)


def test_moments_are_those_of_a_longer_mantissa():
    rng = np.random.default_rng(5)
    x, y = rng.normal(-1e6, 1, 300_000), rng.normal(1e6 / 3, 1, 300_000)
    count, *means, xx, xy, yy = moments(y, x, np.zeros(len(x), int), 1)
    far_x, far_y = (v - v.mean() for v in (x.astype(np.longdouble), y.astype(np.longdouble)))
    assert count == 300_000
    for mean, values in zip(means, (x, y), strict=True):
        exact = values.astype(np.longdouble).mean()
        assert abs(mean[0] - exact) <= np.spacing(abs(float(exact)))
    for found, exact in zip(
        (xx, xy, yy), (far_x @ far_x, far_x @ far_y, far_y @ far_y), strict=True
    ):
        assert abs(found[0] - exact) < 1e-13 * 300_000


def test_the_determinant_keeps_its_digits_where_the_textbook_loses_them():
    data = SimpleNamespace(n=1e6, root_n=1e3, root_xx=1e6, predictor_mean=1e3)
    half = Fraction(1, 2)
    t0, t1, corr, n, m, xx = half, half, Fraction(3, 4), 10**6, 10**3, 10**12
    at_mean = t0**2 + 2 * corr * m * t0 * t1 + (m * t1) ** 2
    both = t1 * (corr * t0 + m * t1)
    exact = (1 + n * at_mean) * (1 + xx * t1**2) - n * xx * both**2
    found = covariance(data, 1.0, 0.5, 0.5, 0.75)[2]
    assert found == pytest.approx(float(exact), rel=1e-14)


def test_many_parameters_at_once():
    rng = np.random.default_rng(3)
    rows = pd.DataFrame(rng.normal(size=(40, 2)), columns=["y", "x"]).assign(g=np.arange(40) % 3)
    draws = np.abs(rng.normal(size=(5, 1)))
    together = by_statistics(rows, draws, draws, draws, draws, draws, 0.0)
    one = by_statistics(rows, *([draws[3, 0]] * 5), 0.0)
    np.testing.assert_allclose(together[3], one, rtol=1e-12)


@pytest.mark.parametrize("offset", [0.0, 20.0])
@pytest.mark.parametrize(
    ("sd0", "sd1", "corr"), [(1.5, 0.8, 0.6), (2.0, 0.0, 0.0), (0.0, 1.0, 0.0)]
)
def test_effects_have_the_mean_and_covariance_of_the_closed_form(offset, sd0, sd1, corr):
    rng = np.random.default_rng(8)
    rows = pd.DataFrame(rng.normal(size=(12, 2)), columns=["y", "x"])
    rows["g"] = [0] * 9 + [1] * 2 + [2]
    rows["x"] += offset
    sigma, intercept, slope, draws = 0.7, 1.0, -0.5, 40_000
    data = group_data(group_statistics(rows, *NAMES))
    level = intercept + slope * data.grand_predictor - data.grand_response
    full = [np.full(draws, value) for value in (level, slope, sigma, sd0, sd1, corr)]
    effects = np.array(draw_effects(data, *full, rng=np.random.default_rng(1)))
    prior = np.array([[sd0**2, corr * sd0 * sd1], [corr * sd0 * sd1, sd1**2]])
    for group, part in rows.groupby("g"):
        z = np.column_stack([np.ones(len(part)), part["x"]])
        gain = prior @ z.T @ np.linalg.inv(z @ prior @ z.T + sigma**2 * np.eye(len(part)))
        mean = gain @ (part["y"] - z @ [intercept, slope]).to_numpy()
        cov = prior - gain @ z @ prior
        sd = np.sqrt(np.diag(cov))
        found = effects[:, :, group]
        assert np.all(np.abs(found.mean(axis=1) - mean) <= 4.5 * sd / np.sqrt(draws) + 1e-12)
        scale = np.outer(sd, sd) * np.sqrt(2 / draws) * 4.5 + 1e-12
        assert np.all(np.abs(np.cov(found) - cov) <= scale)


PRIORS = {
    "Intercept": Prior("Normal", mu=0, sigma=1),
    "x": Prior("Normal", mu=0, sigma=1),
    "sigma": Prior("HalfNormal", sigma=1),
    "1|g": Prior("Normal", mu=0, sigma=Prior("HalfNormal", sigma=1)),
}


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"x": None}, "priors lack 'x'"),
        ({"z|g": Prior("Normal")}, r"\['z\|g'\] belong to no term"),
        ({"1|g": Prior("Normal", mu=0, sigma=3)}, r"'1\|g' is Normal with mu=0 and a prior"),
        ({"1|g": Prior("Normal", mu=2, sigma=Prior("HalfNormal", sigma=1))}, "with mu=0"),
        ({"1|g": Prior("StudentT", nu=3, sigma=1)}, r"'1\|g' is Normal with sigma"),
        ({"x|g_corr": Prior("LKJ", eta=2)}, r"a correlation needs priors for '1\|g' and 'x\|g'"),
        ({"sigma": {"Intercept": Prior("Normal")}}, "the prior of 'sigma' has the keys"),
        ({"sigma": 3}, "the prior of the sigma is 3"),
    ],
)
def test_priors_that_do_not_fit_are_named(change, error):
    rows = pd.DataFrame({"y": [1.0, 2], "x": [1, 2], "g": [1, 1]})
    data = group_data(group_statistics(rows, *NAMES))
    priors = {name: prior for name, prior in (PRIORS | change).items() if prior is not None}
    with pytest.raises(ValueError, match=error):
        read_priors(data, priors)


def test_names_that_would_collide_are_refused():
    rows = pd.DataFrame({"y": [1.0, 2], "sigma": [1, 2], "g": [1, 1]})
    with pytest.raises(ValueError, match="'sigma' and 'g' give parameters names"):
        group_data(group_statistics(rows, "y", "sigma", "g"))
