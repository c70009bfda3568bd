"""The gate: what is sound passes, and each fault is seen and named."""

import re

import arviz as az
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from lmm_helpers import check_convergence, judge_convergence
from lmm_helpers.checks.convergence import CHECKS, E_BFMI_LIMIT, ESS_LIMIT, R_HAT_LIMIT


def fit_of(slope, *, energy=None, divergences=0, too_deep=0):
    if energy is None:
        energy = np.random.default_rng(0).normal(size=slope.shape)
    diverging = np.zeros(slope.shape, bool)
    diverging[0, :divergences] = True
    limited = np.zeros(slope.shape, bool)
    limited[-1, :too_deep] = True
    dims = ("chain", "draw")
    return xr.DataTree.from_dict(
        {
            "posterior": xr.Dataset({"intercept": (dims, energy), "slope": (dims, slope)}),
            "sample_stats": xr.Dataset(
                {
                    "energy": (dims, energy),
                    "diverging": (dims, diverging),
                    "maxdepth_reached": (dims, limited),
                }
            ),
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
    "tree depth": fit_of(noise(), too_deep=1),
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


def test_the_limits_are_the_published_ones():
    assert (R_HAT_LIMIT, ESS_LIMIT, E_BFMI_LIMIT) == (1.01, 100, 0.3)


def either_side(measure, limit, make, low, high):
    """Halve until two values lie just below and just above a limit; give what they make."""
    for _ in range(25):
        middle = (low + high) / 2
        low, high = (middle, high) if measure(make(middle)) < limit else (low, middle)
    below, above = measure(make(low)), measure(make(high))
    assert below < limit <= above or below <= limit < above
    assert above - below < 0.05 * limit
    return make(low), make(high)


def passes(fit, check):
    return bool(judge_convergence(fit).loc[check, "passed"])


def test_r_hat_on_either_side_of_its_limit():
    shift = np.array([0, 0, 0, 1])[:, None]
    below, above = either_side(
        lambda draws: float(az.rhat(draws)), 1.01, lambda by: noise() + by * shift, 0, 1
    )
    assert passes(fit_of(below), "R-hat")
    assert not passes(fit_of(above), "R-hat")


@pytest.mark.parametrize("check", ["bulk ESS", "tail ESS"])
def test_effective_draws_on_either_side_of_one_hundred_a_chain(check):
    column = {"bulk ESS": "ess_bulk", "tail ESS": "ess_tail"}[check]
    below, above = either_side(
        lambda draws: az.summary(fit_of(draws), round_to="none").loc["slope", column],
        400,
        lambda share: (1 - share) * lazy_walk(stickiness=0.98) + share * 4 * noise(),
        0,
        1,
    )
    assert not passes(fit_of(below), check)
    assert passes(fit_of(above), check)


def test_e_bfmi_on_either_side_of_its_limit():
    below, above = either_side(
        lambda energy: float(az.bfmi(fit_of(noise(), energy=energy))["energy"].min()),
        0.3,
        lambda share: (1 - share) * lazy_walk() + share * 4 * noise(),
        0,
        1,
    )
    assert not passes(fit_of(noise(), energy=below), "E-BFMI")
    assert passes(fit_of(noise(), energy=above), "E-BFMI")


@pytest.mark.parametrize("name", ["reached_max_treedepth", "maxdepth_reached"])
def test_a_draw_at_the_limit_of_the_tree_depth_is_counted_under_either_name(name):
    fit = fit_of(noise(), too_deep=3)
    record = fit["sample_stats"].to_dataset().rename(maxdepth_reached=name)
    fit["sample_stats"] = record
    assert judge_convergence(fit).loc["tree depth", "worst"] == 3
    fit["sample_stats"] = record.drop_vars(name)
    assert passes(fit, "tree depth")  # the sampler grows no trees


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
def test_one_draw_that_is_not_finite_fails(value):
    draws = noise()
    draws[2, 7] = value
    verdict = judge_convergence(fit_of(draws))
    assert verdict.loc["R-hat", "where"] == "slope"
    assert not verdict.loc[["R-hat", "bulk ESS", "tail ESS"], "passed"].any()


def test_judging_raises_nothing_and_says_the_same_as_the_gate():
    for fit in FAULTY.values():
        verdict = judge_convergence(fit)
        with pytest.raises(RuntimeError) as refusal:
            check_convergence(fit)
        for check in verdict.index[~verdict["passed"]]:
            assert f"{check} fails" in str(refusal.value)
    assert judge_convergence(fit_of(noise()))["passed"].all()


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("posterior", "the fit has no posterior"),
        ("sample_stats", "the fit has no sample_stats"),
        ("energy", "sample_stats has no 'energy'"),
        ("diverging", "sample_stats has no 'diverging'"),
    ],
)
def test_a_fit_without_its_record_is_refused(missing, message):
    fit = fit_of(noise())
    if missing in fit.children:
        del fit[missing]
    else:
        fit["sample_stats"] = fit["sample_stats"].to_dataset().drop_vars(missing)
    with pytest.raises(ValueError, match=message):
        judge_convergence(fit)


def test_a_single_chain_cannot_be_judged():
    with pytest.raises(ValueError, match="one chain"):
        check_convergence(fit_of(noise(chains=1)))


def test_an_unknown_check_is_refused():
    with pytest.raises(ValueError, match="rhat"):
        check_convergence(fit_of(noise()), expected_faults=["rhat"])


def test_a_verdict_shows_one_line_that_unfolds():
    passed, failed = judge_convergence(fit_of(noise())), judge_convergence(FAULTY["R-hat"])
    assert re.fullmatch(r"converged: R-hat ≤ 1\.\d+, ESS ≥ [\d,]+, no divergences", repr(passed))
    assert repr(failed).startswith(f"not converged: R-hat {failed.loc['R-hat', 'worst']}, bulk ESS")
    assert "divergences" not in repr(failed)
    for verdict in (passed, failed):
        assert f"<summary>{verdict!r}</summary><table" in verdict._repr_html_()
        assert type(verdict.table) is pd.DataFrame
        assert verdict.table.index.to_list() == list(CHECKS)
