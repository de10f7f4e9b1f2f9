import numpy as np

from anomalies.detection.bands import bands_fit, deviation
from anomalies.detection.features import Aspect, anchor_for, feature_matrix, features_of, rolling_mean
from tests.anomalies.synthetic import grid_of, healthy, part_of


def test_features_look_back_only():
    columns = healthy(400)
    grid, _ = grid_of(columns)
    features, anchor = features_of(grid, hold=[1, 1, 1]), anchor_for(grid)
    whole = feature_matrix(grid, features, anchor)
    begun = feature_matrix(part_of(grid, slice(0, 250)), features, anchor)
    assert np.allclose(whole[:250], begun, equal_nan=True, rtol=0, atol=1e-9)


def test_features_of_a_window_equal_those_of_the_whole_once_it_has_looked_back_far_enough():
    grid, _ = grid_of(healthy(400))
    features, anchor = features_of(grid, hold=[1, 1, 1]), anchor_for(grid)
    whole = feature_matrix(grid, features, anchor)
    window = feature_matrix(part_of(grid, slice(200, 400)), features, anchor)
    assert np.allclose(whole[265:], window[65:], rtol=0, atol=1e-9)


def test_a_gap_makes_no_feature_up():
    columns = healthy(400)
    columns["vibration_mm_s"][200:300] = np.nan
    grid, _ = grid_of(columns)
    features = features_of(grid, hold=[1, 1, 1])
    matrix = feature_matrix(grid, features, anchor_for(grid))
    mine = [at for at, feature in enumerate(features) if feature.metric == "vibration_mm_s"]
    others = [at for at, feature in enumerate(features) if feature.metric != "vibration_mm_s"]
    assert np.isnan(matrix[290][mine]).all()
    assert np.isfinite(matrix[290][others]).all()


def test_one_wild_reading_does_not_move_the_levels():
    calm, wild = healthy(400), healthy(400)
    wild["vibration_mm_s"][200] = 1e6
    features_calm, features_wild = (
        feature_matrix(grid, features_of(grid, hold=[1, 1, 1]), anchor_for(grid))
        for grid in (grid_of(calm)[0], grid_of(wild)[0])
    )
    features = features_of(grid_of(calm)[0], hold=[1, 1, 1])
    levels = [at for at, feature in enumerate(features) if feature.aspect is Aspect.LEVEL]
    assert np.nanmax(np.abs(features_calm[:, levels] - features_wild[:, levels])) < 0.1


def test_a_rolling_mean_wants_half_of_its_window():
    values = np.array([1.0, np.nan, np.nan, np.nan, 3.0, 5.0])
    assert np.allclose(rolling_mean(values, 4), [np.nan, np.nan, np.nan, np.nan, np.nan, 4.0], equal_nan=True)


def test_infinity_is_as_far_out_as_can_be_and_a_gap_is_not_normal():
    grid, _ = grid_of(healthy(400))
    features = features_of(grid, hold=[1, 1, 1])
    bands = bands_fit(feature_matrix(grid, features, anchor_for(grid)), features)
    row = np.full((1, len(features)), np.inf)
    assert (deviation(row, bands) == 1e6).all()
    assert np.isnan(deviation(np.full((1, len(features)), np.nan), bands)).all()


def test_less_movement_than_usual_is_no_deviation_but_more_is():
    grid, _ = grid_of(healthy(400))
    features = features_of(grid, hold=[1, 1, 1])
    bands = bands_fit(feature_matrix(grid, features, anchor_for(grid)), features)
    spread = np.array([feature.aspect is Aspect.SPREAD for feature in features])
    below, above = deviation(bands.center[None] - 3.0, bands)[0], deviation(bands.center[None] + 3.0, bands)[0]
    assert (below[spread] == 0).all()
    assert (above[spread] > 4).all()
    assert (below[~spread] > 0).all()


def test_a_constant_metric_does_not_turn_its_last_digit_into_an_event():
    columns = {"setpoint_c": np.full(400, 72.0), "vibration_mm_s": healthy(400)["vibration_mm_s"]}
    grid, _ = grid_of(columns)
    features = features_of(grid, hold=[1, 1])
    bands = bands_fit(feature_matrix(grid, features, anchor_for(grid)), features)
    flickering = {**columns, "setpoint_c": np.where(np.arange(400) % 2, 72.0, 72.1)}
    matrix = feature_matrix(grid_of(flickering)[0], features, anchor_for(grid))
    assert np.nanmax(deviation(matrix, bands)[:, :3]) < 2.0
