"""New groups: effects drawn from the population, held against what can be worked out by hand."""

import warnings

import bambi as bmb
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from lmm_helpers import chosen_model, load_bounce, predict_new_group

DRAWS = 8000
KNOWN = ["Kent", "Devon", "Essex"]
LINE = {"Intercept": 200.0, "x": -3.0}
TAU = {"1|county": 13.0, "x|county": 4.0}
SIGMA = 7.0


def data_of(group="county", labels=KNOWN):
    rng = np.random.default_rng(0)
    places = pd.Series(labels).repeat(10).reset_index(drop=True)
    x = rng.normal(size=len(places))
    web = np.resize(["blog", "news"], len(places))
    y = rng.normal(size=len(places))
    return pd.DataFrame({"y": y, "x": x, "web": web, group: places}).astype(
        {"web": "category", group: "category"}
    )


def model_of(*formulas, group="county", labels=KNOWN, **options):
    return bmb.Model(bmb.Formula(*formulas), data_of(group, labels), **options)


def fit_of(numbers, *, effects=TAU, group="county", labels=KNOWN, chains=2):
    """Make a posterior by hand: each number the same in all draws, old effects far off."""
    shape = (chains, DRAWS // chains)
    coords = {"chain": range(chains), "draw": range(shape[1])}
    one = xr.DataArray(np.ones(shape), coords)
    old = one.expand_dims({f"{group}__factor_dim": sorted(labels)}).transpose("chain", "draw", ...)
    draws = {name: number * one for name, number in numbers.items()}
    draws |= dict.fromkeys(effects, 1000 * old)
    draws |= {f"{name}_sigma": tau * one for name, tau in effects.items()}
    return xr.DataTree.from_dict({"posterior": xr.Dataset(draws)})


def predict(fit, model, data, *, group="county", seed=1):
    return predict_new_group(fit, model=model, data=data, group=group, seed=seed)


def rows(county, x=0.0, **others):
    return pd.DataFrame({"county": county, "x": x, **others})


def flat(array):
    return (
        array.transpose("__obs__", "chain", "draw").to_numpy().reshape(array.sizes["__obs__"], -1)
    )


@pytest.fixture(scope="module")
def plain():
    return model_of("y ~ x + (x | county)")


@pytest.fixture(scope="module")
def plain_fit():
    return fit_of(LINE | {"sigma": SIGMA})


@pytest.mark.parametrize("x", [0.0, 1.0, -2.5])
def test_the_spread_of_a_new_group_is_the_analytic_one(plain, plain_fit, x):
    new = predict(plain_fit, plain, rows(["Surrey"], x))
    between = np.sqrt(TAU["1|county"] ** 2 + x**2 * TAU["x|county"] ** 2)
    for name, sd in {"mu": between, "y": np.sqrt(between**2 + SIGMA**2)}.items():
        (draws,) = flat(new[name])
        assert draws.size == DRAWS
        assert abs(draws.mean() - (200 - 3 * x)) < 4 * sd / np.sqrt(DRAWS)
        assert abs(draws.std() - sd) < 4 * sd / np.sqrt(2 * DRAWS)


def test_new_groups_have_effects_of_their_own_and_their_rows_share_them(plain, plain_fit):
    data = rows(["Surrey", "Suffolk", "Surrey", "Ely"], [0, 0, 2, 0])
    new = predict(plain_fit, plain, data)
    surrey, suffolk, surrey_at_two, ely = flat(new["mu"])
    correlations = np.corrcoef([surrey, suffolk, ely])[np.triu_indices(3, k=1)]
    assert (np.abs(correlations) < 4 / np.sqrt(DRAWS)).all()
    slope = (surrey_at_two - surrey) / 2
    assert abs(slope.mean() + 3) < 4 * TAU["x|county"] / np.sqrt(DRAWS)
    assert abs(slope.std() - TAU["x|county"]) < 4 * TAU["x|county"] / np.sqrt(2 * DRAWS)
    assert abs(np.corrcoef(slope, surrey)[0, 1]) < 4 / np.sqrt(DRAWS)


def test_visits_to_a_new_group_share_its_line_and_nothing_else(plain, plain_fit):
    new = predict(plain_fit, plain, rows(["Surrey", "Surrey"]))
    (first, second), (line, same_line) = flat(new["y"]), flat(new["mu"])
    np.testing.assert_array_equal(line, same_line)
    noise = np.corrcoef(first - line, second - line)[0, 1]
    assert abs(noise) < 4 / np.sqrt(DRAWS)


def test_the_spread_follows_the_posterior_draw_by_draw(plain, plain_fit):
    fit = plain_fit.copy(deep=True)
    tau = fit["posterior"]["1|county_sigma"]
    tau[:, ::2] = 0.0
    new = predict(fit, plain, rows(["Surrey"]))["mu"]
    assert (new[:, ::2] == 200).all()
    assert abs(new[:, 1::2].std() - 13) < 4 * 13 / np.sqrt(DRAWS)


def test_more_new_groups_than_known_ones_in_any_order(plain):
    narrow = fit_of(LINE | {"sigma": SIGMA}, effects={"1|county": 1.0, "x|county": 0.0})
    labels = [f"new {number}" for number in range(8)]
    data = rows(labels[::-1] + labels, np.arange(16.0))
    new = predict(narrow, plain, data)
    assert list(new["__obs__"].to_numpy()) == list(range(16))
    shifts = flat(new["mu"]) - (200 - 3 * np.arange(16.0))[:, None]
    np.testing.assert_allclose(shifts[:8], shifts[8:][::-1], atol=1e-9)
    correlations = np.corrcoef(shifts[:8])[np.triu_indices(8, k=1)]
    assert (np.abs(correlations) < 4.5 / np.sqrt(DRAWS)).all()


def test_the_residual_spread_of_a_new_group_is_drawn_too():
    model = model_of("y ~ x + (x | county)", "sigma ~ 1 + (1 | county)")
    spread = 0.4
    fit = fit_of(
        LINE | {"sigma_Intercept": np.log(SIGMA)}, effects=TAU | {"sigma_1|county": spread}
    )
    new = predict(fit, model, rows(["Surrey", "Surrey", "Suffolk"], 1.0))
    surrey, surrey_again, suffolk = np.log(flat(new["sigma"]))
    np.testing.assert_array_equal(surrey, surrey_again)
    assert abs(np.corrcoef(surrey, suffolk)[0, 1]) < 4 / np.sqrt(DRAWS)
    assert abs(surrey.mean() - np.log(SIGMA)) < 4 * spread / np.sqrt(DRAWS)
    assert abs(surrey.std() - spread) < 4 * spread / np.sqrt(2 * DRAWS)
    variance = 13**2 + 4**2 + SIGMA**2 * np.exp(2 * spread**2)
    squares = (flat(new["y"])[0] - 197) ** 2
    assert abs(squares.mean() - variance) < 4 * squares.std() / np.sqrt(DRAWS)


def test_a_categorical_effect_is_drawn_for_each_level():
    model = model_of("y ~ 0 + web + (0 + web | county)")
    shape = (1, DRAWS)
    coords = {"chain": [0], "draw": range(DRAWS)}
    one = xr.DataArray(np.ones(shape), coords)
    levels = {"web__expr_dim": ["blog", "news"], "county__factor_dim": sorted(KNOWN)}
    common = one.expand_dims(web_dim=["blog", "news"]).transpose(..., "web_dim")
    old = one.expand_dims(levels).transpose("chain", "draw", *levels)
    draws = {"web": 10 * common, "web|county": old, "web|county_sigma": 5 * one, "sigma": one}
    fit = xr.DataTree.from_dict({"posterior": xr.Dataset(draws)})
    data = rows(["Surrey", "Surrey"], web=["blog", "news"])
    blog, news = flat(predict(fit, model, data)["mu"])
    assert abs(blog.std() - 5) < 4 * 5 / np.sqrt(2 * DRAWS)
    assert abs(np.corrcoef(blog, news)[0, 1]) < 4 / np.sqrt(DRAWS)


def test_other_factors_keep_their_own_effects():
    model = model_of("y ~ x + (1 | county) + (1 | web)")
    fit = fit_of(LINE | {"sigma": SIGMA}, effects={"1|county": 2.0})
    one = fit["posterior"]["x"] / -3
    web = (one * xr.DataArray([10.0, 20.0], {"web__factor_dim": ["blog", "news"]})).rename(None)
    fit["posterior"]["1|web"] = web
    fit["posterior"]["1|web_sigma"] = 100 * one
    data = rows(["Surrey", "Surrey"], web=["blog", "news"])
    blog, news = flat(predict(fit, model, data)["mu"])
    np.testing.assert_allclose(news - blog, 10)
    assert abs(blog.mean() - 210) < 4 * 2 / np.sqrt(DRAWS)


@pytest.mark.slow
def test_it_fits_the_draws_that_bambi_makes():
    visits = load_bounce()
    model = chosen_model(visits)
    model.build()
    imagined = model.prior_predictive(draws=200, random_seed=1)
    fit = xr.DataTree.from_dict({"posterior": imagined["prior"].to_dataset()})
    data = pd.DataFrame({"county": ["Surrey"] * 2, "std_age": [0.0, 1.0], "county_age": 0.5})
    new = predict(fit, model, data)
    assert set(new.data_vars) == {"mu", "sigma", "bounce_time"}
    assert dict(new.sizes) == {"chain": 1, "draw": 200, "__obs__": 2}


@pytest.mark.parametrize(
    ("group", "labels"),
    [
        ("county", ['"Kent"', "De|von", "<b>Essex</b>"]),
        ("it's a county", KNOWN),
        ("county", [1, 2, 3]),
    ],
)
def test_names_are_data(group, labels):
    model = model_of(f"y ~ x + (x | `{group}`)", group=group, labels=labels)
    taus = {f"1|{group}": 13.0, f"x|{group}": 4.0}
    fit = fit_of(LINE | {"sigma": SIGMA}, effects=taus, group=group, labels=labels)
    data = pd.DataFrame({group: ["a|b", "a|b", '"c"'], "x": 0.0}, index=[7, 7, 7])
    first, again, other = flat(predict(fit, model, data, group=group)["mu"])
    np.testing.assert_array_equal(first, again)
    assert abs(first.std() - 13) < 4 * 13 / np.sqrt(2 * DRAWS)
    assert abs(np.corrcoef(first, other)[0, 1]) < 4 / np.sqrt(DRAWS)


def test_a_seed_fixes_the_draws_and_nothing_given_is_altered(plain, plain_fit):
    data, before = rows(["Surrey", "Suffolk"]), plain_fit.copy(deep=True)
    data_before = data.copy()
    first, second, third = (predict(plain_fit, plain, data, seed=seed) for seed in (1, 1, 2))
    xr.testing.assert_identical(first, second)
    assert not (first["mu"] == third["mu"]).any()
    assert not (first["y"] == third["y"]).any()
    xr.testing.assert_identical(plain_fit, before)
    pd.testing.assert_frame_equal(data, data_before)


def test_the_noise_follows_the_seed_and_differs_from_group_to_group(plain, plain_fit):
    data = rows([f"new {number}" for number in range(5)])  # more than there are known ones
    draws = [predict(plain_fit, plain, data, seed=seed) for seed in (1, 1, 2)]
    first, same, other = (flat(new["y"] - new["mu"]) for new in draws)
    np.testing.assert_allclose(first, same)
    assert abs(np.corrcoef(first[0], other[0])[0, 1]) < 4 / np.sqrt(DRAWS)
    among = np.corrcoef(first)[np.triu_indices(5, k=1)]
    assert (np.abs(among) < 4.5 / np.sqrt(DRAWS)).all()


class TestLabelsAreText:
    @pytest.fixture
    def numbered(self):
        model = model_of("y ~ x + (1 | county)", labels=[1, 2, 3])
        effects = {"1|county": 13.0}
        return model, fit_of(LINE | {"sigma": SIGMA}, effects=effects, labels=["1", "2", "3"])

    @pytest.mark.parametrize("label", [1, "1", 1.0, np.int8(1)])
    def test_a_known_number_is_known_however_it_is_written(self, numbered, label):
        model, fit = numbered
        with pytest.raises(ValueError, match="'county' holds '1', which the model has seen"):
            predict(fit, model, rows([label]))

    @pytest.mark.parametrize("label", ["01", "1.0", 4])
    def test_another_text_is_another_group(self, numbered, label):
        model, fit = numbered
        assert predict(fit, model, rows([label])).sizes["__obs__"] == 1

    def test_labels_of_several_types_are_refused(self, numbered):
        model, fit = numbered
        with pytest.raises(ValueError, match="column 'county' mixes labels of the types"):
            predict(fit, model, rows([4, "5"]))


def test_a_group_whose_rows_were_dropped_is_new():
    data = data_of(labels=[*KNOWN, "Surrey"])
    data.loc[data["county"] == "Surrey", "x"] = np.nan
    model = bmb.Model("y ~ x + (x | county)", data, dropna=True)
    fit = fit_of(LINE | {"sigma": SIGMA})
    labels = ["Surrey", "Suffolk", "Ely", "York"]
    new = predict(fit, model, rows(labels))
    for draws in flat(new["mu"]):
        assert abs(draws.std() - TAU["1|county"]) < 4 * TAU["1|county"] / np.sqrt(2 * DRAWS)
    with pytest.raises(ValueError, match="'Kent', which the model has seen"):
        predict(fit, model, rows(["Kent"]))


def test_bambi_itself_gives_two_new_groups_the_effects_of_one_old_group(plain):
    """If this fails, Bambi has mended it: `predict_new_group` can go."""
    fit = fit_of(LINE | {"sigma": SIGMA})
    own = xr.DataArray([-10.0, 0.0, 10.0], {"county__factor_dim": sorted(KNOWN)})
    fit["posterior"]["1|county"] = 0 * fit["posterior"]["1|county"] + own
    fit["posterior"]["x|county"] = 0 * fit["posterior"]["x|county"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        new = plain.predict(
            fit,
            data=rows(["Surrey", "Suffolk"]),
            sample_new_groups=True,
            inplace=False,
            random_seed=1,
        )
    surrey, suffolk = flat(new["posterior"]["mu"])
    np.testing.assert_array_equal(surrey, suffolk)
    assert set(np.round(surrey)) == {190.0, 200.0, 210.0}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (rows(["Surrey", "Kent"]), "'county' holds 'Kent', which the model has seen"),
        (rows(["Surrey", None]), "'county' is missing in row 1"),
        (rows(["Surrey"]).drop(columns="county"), "column 'county' is missing; the data have 'x'"),
        (rows([]), "data has no row"),
        (rows(pd.Categorical(["Surrey", "Kent"])), "'Kent', which the model has seen"),
    ],
)
def test_rows_that_hold_no_new_group_are_refused(plain, plain_fit, data, message):
    with pytest.raises(ValueError, match=message):
        predict(plain_fit, plain, data)


STUDENT = bmb.Prior(
    "StudentT", nu=4, mu=0, sigma=bmb.Prior("HalfNormal", sigma=1), noncentered=False
)
SHIFTED = bmb.Prior(
    "Normal", mu=bmb.Prior("Normal", mu=0, sigma=1), sigma=bmb.Prior("HalfNormal", sigma=1)
)


@pytest.mark.parametrize(
    ("formula", "priors", "term"),
    [
        ("y ~ county + (1 | county)", None, "'county'"),
        ("y ~ x + (1 | county) + (1 | county:web)", None, "'1|county:web'"),
        ("y ~ x + (1 | county) + (county | web)", None, "'county|web'"),
        ("y ~ x + (1 | county)", {"1|county": STUDENT}, "'1|county'"),
        ("y ~ x + (1 | county)", {"1|county": SHIFTED}, "'1|county'"),
    ],
)
def test_models_whose_new_groups_cannot_be_drawn_are_refused(plain_fit, formula, priors, term):
    model = model_of(formula, priors=priors)
    with pytest.raises(ValueError, match=f"the term {term.replace('|', '[|]')} uses 'county'"):
        predict(plain_fit, model, rows(["Surrey"], web="blog"))


def test_a_model_without_the_factor_is_refused(plain, plain_fit):
    with pytest.raises(ValueError, match="no term of the model varies by 'web'"):
        predict(plain_fit, plain, rows(["Surrey"]), group="web")


def test_the_fit_of_another_model_is_refused(plain_fit):
    model = model_of("y ~ x + (web | county)")
    with pytest.raises(ValueError, match=r"the posterior lacks 'web\|county'"):
        predict(plain_fit, model, rows(["Surrey"]))
