"""The gate: what is sound passes, and each fault is found and named."""

import numpy as np
import pytest
import xarray as xr

from lmm_helpers import check_convergence


def fit_of(slope, *, energy=None, divergences=0):
    if energy is None:
        energy = np.random.default_rng(0).normal(size=slope.shape)
    diverging = np.zeros(slope.shape, bool)
    diverging[0, :divergences] = True
    dims = ("chain", "draw")
    return xr.DataTree.from_dict(
        {
            "posterior": xr.Dataset({"intercept": (dims, energy), "slope": (dims, slope)}),
            "sample_stats": xr.Dataset({"energy": (dims, energy), "diverging": (dims, diverging)}),
        }
    )


def noise(chains=4, draws=1000):
    return np.random.default_rng(1).normal(size=(chains, draws))


def lazy_walk(chains=4, draws=1000, stickiness=0.99):
    steps = np.random.default_rng(2).normal(size=(chains, draws))
    walk = np.zeros_like(steps)
    for draw in range(1, draws):
        walk[:, draw] = stickiness * walk[:, draw - 1] + steps[:, draw]
    return walk


def heavy_tailed_switches():
    """Draws whose middle mixes well, and whose tails come in long stretches."""
    draws = noise()
    draws[:, 450:550] = 20 * np.abs(draws[:, 450:550])
    return draws


FAULTY = {
    "divergences": fit_of(noise(), divergences=1),
    "R-hat": fit_of(noise() + np.arange(4)[:, None]),
    "bulk ESS": fit_of(lazy_walk()),
    "tail ESS": fit_of(heavy_tailed_switches()),
    "E-BFMI": fit_of(noise(), energy=lazy_walk()),
}


def test_sound_draws_pass_and_the_verdict_says_why():
    verdict = check_convergence(fit_of(noise()))
    assert verdict["passed"].all()
    assert verdict.loc["bulk ESS", "required"] == "at least 400"
    assert verdict.loc["R-hat", "worst"] <= 1.01


@pytest.mark.parametrize("check", FAULTY)
def test_each_fault_is_found_and_named(check):
    with pytest.raises(RuntimeError, match=f"{check} fails"):
        check_convergence(FAULTY[check])


def test_the_message_names_the_parameter():
    with pytest.raises(RuntimeError, match="slope"):
        check_convergence(FAULTY["R-hat"])


@pytest.mark.parametrize("check", FAULTY)
def test_a_fit_broken_on_purpose_must_be_broken_as_announced(check):
    verdict = check_convergence(FAULTY[check], expected_faults=[check])
    assert not verdict.loc[check, "passed"]
    with pytest.raises(RuntimeError, match=f"{check} should fail"):
        check_convergence(fit_of(noise()), expected_faults=[check])


def test_draws_that_never_move_do_not_slip_through_as_missing_values():
    with pytest.raises(RuntimeError, match="fails"):
        check_convergence(fit_of(np.full((4, 500), np.nan)))


def test_a_single_chain_cannot_be_judged():
    with pytest.raises(ValueError, match="one chain"):
        check_convergence(fit_of(noise(chains=1)))


def test_an_unknown_check_is_refused():
    with pytest.raises(ValueError, match="rhat"):
        check_convergence(fit_of(noise()), expected_faults=["rhat"])
