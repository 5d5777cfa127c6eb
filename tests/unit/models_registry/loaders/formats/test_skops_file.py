"""scikit-learn by skops: equal to the estimator itself, and only trusted types are made."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.ensemble import BaggingClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from skops.io import dump

from models_registry.core.plain_output import plain
from models_registry.core.registry_errors import InvalidInputError, LoadFailedError
from models_registry.core.runner import Item, answer
from models_registry.loaders.formats.skops_file import Estimator, load
from models_registry.loaders.loader_options import SklearnOptions


def kept(path: Path, estimator: Any, method: Any = "predict", trusted: tuple[str, ...] = ()) -> Estimator:
    dump(estimator, path / "e.skops")
    return load(path / "e.skops", SklearnOptions(method=method, trusted=trusted), "cpu")


def answers(runner: Any, *data: Any) -> list[Any]:
    return [plain(output) for output in answer(runner, [Item({"data": value}) for value in data])]


@pytest.fixture(scope="module")
def digits() -> Any:
    data, target = load_digits(return_X_y=True)
    return LogisticRegression(max_iter=30, tol=0.1).fit(data[:300] / 16, target[:300]), data[300:340] / 16


def test_digits_are_answered_with_their_labels(digits: Any, tmp_path: Path) -> None:
    model, rows = digits
    runner = kept(tmp_path, model, "predict_proba")
    given = answers(runner, *rows.tolist())
    assert [one["prediction"] for one in given] == model.predict(rows).tolist()
    assert list(given[0]["probabilities"]) == [str(digit) for digit in range(10)]
    shown = [list(one["probabilities"].values()) for one in given]
    assert np.allclose(shown, model.predict_proba(rows), atol=1e-5)
    assert runner.schemas()[0]["properties"]["data"]["minItems"] == 64


@pytest.mark.parametrize("method", ["predict", "decision_function"])
def test_each_method_answers_as_the_estimator_does(method: str, digits: Any, tmp_path: Path) -> None:
    model, rows = digits
    (name,) = kept(tmp_path, model, method).schemas()[1]["required"]
    given = [one[name] for one in answers(kept(tmp_path, model, method), *rows.tolist())]
    assert np.allclose(given, getattr(model, method)(rows), atol=1e-5)


def test_a_transform_gives_numbers_and_a_pipeline_takes_texts(tmp_path: Path) -> None:
    rows = np.arange(12.0).reshape(4, 3) ** 2
    pca = PCA(2).fit(rows)
    given = [one["data"] for one in answers(kept(tmp_path, pca, "transform"), *rows.tolist())]
    assert np.allclose(given, pca.transform(rows), atol=1e-5)
    texts = ["good film", "bad film", "good", "bad"]
    sentiment = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(texts, ["+", "-", "+", "-"])
    runner = kept(tmp_path, sentiment)
    assert answers(runner, "so good", "a bad one") == [{"prediction": "+"}, {"prediction": "-"}]
    with pytest.raises(InvalidInputError, match="must be a text"):
        answers(runner, 1)


def test_features_may_be_named(tmp_path: Path) -> None:
    model = LogisticRegression().fit(np.array([[0.0, 1], [1, 0]]), ["no", "yes"])
    model.feature_names_in_ = np.array(["age", "size"], dtype=object)
    runner = kept(tmp_path, model)
    assert answers(runner, {"size": 0, "age": 1}, [1, 0]) == [{"prediction": "yes"}] * 2
    with pytest.raises(InvalidInputError, match="has no size"):
        answers(runner, {"age": 1})


def test_names_bring_no_warning_and_the_process_keeps_its_filters(tmp_path: Path) -> None:
    rows = np.array([[0.0, 1], [1, 0], [2, 1]])
    model = make_pipeline(PCA(2), BaggingClassifier(LogisticRegression(), n_estimators=2, random_state=1))
    expected = model.fit(rows, [0, 1, 1]).predict([[0, 1], [2, 1]]).tolist()
    for part in (model[0], model[1], model[1].estimators_[0]):
        part.feature_names_in_ = np.array(["age", "size"], dtype=object)
    with warnings.catch_warnings(record=True) as given:
        warnings.resetwarnings()
        before = list(warnings.filters)
        runner = kept(tmp_path, model)
        given_labels = [one["prediction"] for one in answers(runner, {"size": 1, "age": 0}, [2, 1])]
        assert warnings.filters == before
    assert [one for one in given if "feature names" in str(one.message)] == []
    assert given_labels == expected


def test_types_that_are_not_trusted_are_named_and_nothing_is_made(tmp_path: Path) -> None:
    import os

    bad = make_pipeline(FunctionTransformer(os.system), LogisticRegression())
    with pytest.raises(LoadFailedError, match=r"not trusted: posix\.system\. Name them in the option"):
        kept(tmp_path, bad)


@pytest.mark.parametrize(
    ("made", "method", "words"),
    [
        (LogisticRegression(), "predict", "is not fitted"),
        (PCA(1).fit([[1, 2], [2, 3]]), "predict", "PCA has no predict: choose another `method`"),
        ({"a": 1}, "predict", "holds a dict, not an estimator"),
    ],
)
def test_what_cannot_answer_is_refused(tmp_path: Path, made: Any, method: str, words: str) -> None:
    with pytest.raises(LoadFailedError, match=words):
        kept(tmp_path, made, method)


def test_a_pickle_is_no_file_of_skops(tmp_path: Path) -> None:
    import pickle

    (tmp_path / "e.skops").write_bytes(pickle.dumps({}))
    with pytest.raises(LoadFailedError, match=r"skops\.io\.dump"):
        load(tmp_path / "e.skops", SklearnOptions(), "cpu")


def test_a_file_that_unpacks_to_far_more_than_its_size_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "bomb.skops"
    with ZipFile(path, "w", ZIP_DEFLATED) as archive:
        archive.writestr("schema.json", bytes(300 * 2**20))
    with pytest.raises(LoadFailedError, match=r"bomb\.skops unpacks to 314,572,800 bytes"):
        load(path, SklearnOptions(), "cpu")
