"""XGBoost and LightGBM: equal to the libraries' own predict."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier, BrokenBarrierError, Lock
from typing import Any

import lightgbm
import numpy as np
import pytest
import xgboost

from models_registry.core.plain_output import plain
from models_registry.core.registry_errors import LoadFailedError
from models_registry.core.runner import Item, answer
from models_registry.loaders.formats.boosted_trees import load_lightgbm, load_xgboost
from models_registry.loaders.loader_options import TreesOptions
from tests.support.format_specimens import table

ROWS, TARGET = table(120)
CLASSES = np.digitize(TARGET, [-5, 0])
MISSING = np.where(ROWS > 2, np.nan, ROWS)
XGB: dict[str, Any] = {"max_depth": 3, "nthread": 1}
LGB: dict[str, Any] = {"verbose": -1, "num_threads": 1, "min_data_in_leaf": 3}
OPTIONS = TreesOptions()


def answers(runner: Any, rows: Any) -> list[Any]:
    values = [[None if np.isnan(x) else x for x in row] for row in rows.tolist()]
    return [plain(output) for output in answer(runner, [Item({"data": row}) for row in values])]


def predictions(runner: Any, rows: Any) -> Any:
    return [one["prediction"] for one in answers(runner, rows)]


@pytest.mark.parametrize("name", ["m.json", "m.ubj", "no-ending"])
def test_xgboost_answers_as_its_own_predict_does(name: str, tmp_path: Path) -> None:
    booster = xgboost.train(XGB, xgboost.DMatrix(MISSING, TARGET), num_boost_round=5)
    path = tmp_path / name
    path.write_bytes(booster.save_raw("json" if name.endswith("json") else "ubj"))
    matrix = xgboost.DMatrix(MISSING)
    assert np.allclose(predictions(load_xgboost(path, OPTIONS, "cpu"), MISSING), booster.predict(matrix))
    parts = load_xgboost(path, TreesOptions(output="contributions"), "cpu")
    assert np.allclose(predictions(parts, MISSING), booster.predict(matrix, pred_contribs=True), atol=1e-5)


def test_xgboost_names_classes_and_stops_at_the_best_iteration(tmp_path: Path) -> None:
    model = xgboost.XGBClassifier(n_estimators=60, early_stopping_rounds=2, learning_rate=1.0, n_jobs=1)
    model.fit(ROWS[:80], CLASSES[:80], eval_set=[(ROWS[80:], CLASSES[80:])], verbose=False)
    model.get_booster().save_model(tmp_path / "m.json")
    runner = load_xgboost(tmp_path / "m.json", TreesOptions(labels=("a", "b", "c")), "cpu")
    given = answers(runner, ROWS)
    shown = [list(one["probabilities"].values()) for one in given]
    assert model.best_iteration < 59
    assert np.allclose(shown, model.predict_proba(ROWS), atol=1e-5)
    assert [one["prediction"] for one in given] == ["abc"[n] for n in model.predict(ROWS)]


def test_lightgbm_answers_as_its_own_predict_does(tmp_path: Path) -> None:
    data = lightgbm.Dataset(MISSING, TARGET, feature_name=["a", "b", "c"])
    booster = lightgbm.train(LGB, data, num_boost_round=5)
    booster.save_model(tmp_path / "m.txt")
    runner = load_lightgbm(tmp_path / "m.txt", OPTIONS, "cpu")
    assert np.allclose(predictions(runner, MISSING), booster.predict(MISSING), atol=1e-5)
    parts = load_lightgbm(tmp_path / "m.txt", TreesOptions(output="contributions"), "cpu")
    assert np.allclose(predictions(parts, MISSING), booster.predict(MISSING, pred_contrib=True), atol=1e-5)
    (named,) = answer(runner, [Item({"data": {"b": 1, "a": 0, "c": None}})])
    assert named["prediction"] == pytest.approx(booster.predict([[0, 1, np.nan]])[0])


def test_lightgbm_names_two_classes(tmp_path: Path) -> None:
    settings = {**LGB, "objective": "binary"}
    booster = lightgbm.train(settings, lightgbm.Dataset(ROWS, TARGET > 0), num_boost_round=3)
    booster.save_model(tmp_path / "m.txt")
    runner = load_lightgbm(tmp_path / "m.txt", TreesOptions(labels=("no", "yes")), "cpu")
    shown = [one["probabilities"]["yes"] for one in answers(runner, ROWS)]
    assert np.allclose(shown, booster.predict(ROWS), atol=1e-5)


@pytest.mark.parametrize("load", [load_xgboost, load_lightgbm])
@pytest.mark.parametrize("body", [pickle.dumps({}), b"", b'{"version": 3}', b"tree\nversion=v4\n"])
def test_what_is_no_model_is_refused_with_words(load: Any, body: bytes, tmp_path: Path) -> None:
    (tmp_path / "m").write_bytes(body)
    with pytest.raises(LoadFailedError, match=r"XGBoost|LightGBM"):
        load(tmp_path / "m", OPTIONS, "cpu")
    with pytest.raises(LoadFailedError, match="is not a file"):
        load(tmp_path, OPTIONS, "cpu")


@pytest.mark.parametrize(
    ("load", "options", "settings", "at_once"),
    [
        (load_xgboost, {}, {"booster": "gbtree"}, True),
        (load_xgboost, {"output": "contributions"}, {"booster": "dart"}, True),
        (load_xgboost, {}, {"booster": "gblinear", "updater": "coord_descent"}, False),
        (load_lightgbm, {}, {}, True),
        (load_lightgbm, {"output": "contributions"}, {}, False),
    ],
)
def test_threads_predict_at_once_where_the_library_lets_them(
    load: Any, options: Any, settings: Any, *, at_once: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if load is load_xgboost:
        data = xgboost.DMatrix(ROWS, TARGET)
        own = {"nthread": 1, **settings}
        xgboost.train(own, data, num_boost_round=3).save_model(tmp_path / "m.json")
    else:
        lightgbm.train(LGB, lightgbm.Dataset(ROWS, TARGET), num_boost_round=3).save_model(tmp_path / "m.json")
    runner = load(tmp_path / "m.json", TreesOptions(**options), "cpu")
    batches = [ROWS[start : start + 1 + start % 3] for start in range(40)]
    alone = [predictions(runner, batch) for batch in batches]
    kind = xgboost.Booster if load is load_xgboost else lightgbm.Booster
    inside, most, lock, predict = [0], [0], Lock(), kind.predict

    def counted(*given: Any, **more: Any) -> Any:
        with lock:
            inside[0] += 1
            most[0] = max(most[0], inside[0])
        try:
            met.wait(0.02)
        except BrokenBarrierError:
            met.reset()
        try:
            return predict(*given, **more)
        finally:
            with lock:
                inside[0] -= 1

    met = Barrier(2)
    monkeypatch.setattr(kind, "predict", counted)
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda batch: predictions(runner, batch), batches))
    assert all(np.allclose(one, other) for one, other in zip(alone, together, strict=True))
    assert (most[0] > 1) is at_once
