"""Every head keeps the same contract: it learns, says what it is made of, chooses on validation alone, and the same seed gives the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from issun.extraction.head_kinds import HEADS, OTHER_NAMES, head_named, is_accelerated
from issun.extraction.search import HeadProgress, choose, grid_of
from issun.extraction.trainers import make_trainer
from issun.extraction.training import HeadResult, HeadWish, train_head
from small_features import parts, with_scrambled_tests

#: Settings that make a head quick; two values each to choose from.
QUICK: dict[str, dict[str, Any]] = {
    "ridge": {"strength": [0.01, 1.0]},
    "logistic": {"C": [0.01, 0.1]},
    "linear-svm": {"C": [0.001, 0.01]},
    "svm": {"C": [1.0, 10.0]},
    "forest": {"n_estimators": [10, 20]},
    "neighbours": {"n_neighbors": [1, 3]},
}


@pytest.mark.parametrize("name", HEADS)
class TestContract:
    @pytest.fixture
    def result(self, name: str) -> HeadResult:
        return train_head(HeadWish(name, QUICK[name]), parts(), threads=1)

    def test_it_learns_and_says_what_it_is(self, name: str, result: HeadResult) -> None:
        assert result.validation > 0.6
        assert result.test > 0.6
        assert result.problem == ""
        assert (result.features, result.images) == (64, 160)
        assert result.validation_predictions.shape == (80,)
        said = result.fitted.predict(parts().validation)
        assert np.array_equal(said, result.validation_predictions)
        assert result.validation == np.mean(said == parts().validation_labels)
        assert set(said) <= set(range(10))
        assert result.seconds > 0

    def test_the_best_on_validation_is_chosen(self, name: str, result: HeadResult) -> None:
        assert len(result.tried) == 2
        assert result.tried["validation"].max() == result.validation
        [setting] = QUICK[name]
        assert result.settings[setting] in QUICK[name][setting]

    def test_no_test_label_changes_anything_but_the_test_figure(self, name: str, result: HeadResult) -> None:
        other = train_head(HeadWish(name, QUICK[name]), with_scrambled_tests(), threads=1)
        assert other.settings == result.settings
        assert np.array_equal(other.test_predictions, result.test_predictions)
        assert other.validation == result.validation
        assert other.test != result.test

    def test_its_numbers_are_counted(self, name: str, result: HeadResult) -> None:
        model = result.fitted.model
        expected = {
            "ridge": lambda: 65 * 10,
            "logistic": lambda: 65 * 10,
            "linear-svm": lambda: 65 * 10,
            # Vectors, their coefficients against each other class, 45 thresholds; two numbers for each standardised feature.
            "svm": lambda: len(model.support_vectors_) * (64 + 9) + 45 + 128,
            "forest": lambda: sum(
                4 * (tree.tree_.node_count - tree.tree_.n_leaves) + 10 * tree.tree_.n_leaves for tree in model.estimators_
            ),
            "neighbours": lambda: 160 * 65 + 128,
        }
        assert result.parameters == expected[name]()

    def test_the_chosen_head_may_learn_from_validation_images_too(self, name: str, result: HeadResult) -> None:
        refit = train_head(HeadWish(name, QUICK[name], refit=True), parts(), threads=1)
        assert refit.images == 240
        assert refit.settings == result.settings
        # What is said of validation is still said by a head that has not seen it.
        assert np.array_equal(refit.validation_predictions, result.validation_predictions)
        direct = make_trainer(
            HEADS[name],
            np.concatenate([parts().train, parts().validation]),
            np.concatenate([parts().train_labels, parts().validation_labels]),
            0,
            1,
        ).fit(refit.settings)
        assert np.mean(direct.predict(parts().test) == refit.test_predictions) > 0.95

    def test_the_grid_has_every_combination_of_valid_settings(self, name: str) -> None:
        head = HEADS[name]
        candidates = grid_of(head, {}, "grid")
        assert all(set(one) == set(head.settings) for one in candidates)
        for one in candidates:
            head.check(one)
        assert len({str(one) for one in candidates}) == len(candidates)


def test_other_names() -> None:
    assert all(head_named(other) is HEADS[name] for other, name in OTHER_NAMES.items())


def test_a_search_learns_from_a_subsample_and_says_so() -> None:
    seen: list[HeadProgress] = []
    wish = HeadWish("neighbours", {"n_neighbors": [1, 3, 5]}, search_images=40)
    result = train_head(wish, parts(), threads=1, report=seen.append)
    assert (result.search_images, result.images) == (40, 160)
    assert set(result.tried["images"]) == {40}
    searching = [one for one in seen if one.total and "validation" in one.event]
    assert [one.done for one in searching] == [1, 2, 3]
    assert searching[-1].seconds_left == 0
    assert all("n_neighbors" in one.event for one in searching)


def test_halving_goes_on_with_the_best_on_more_images() -> None:
    head = HEADS["neighbours"]
    candidates = grid_of(head, {"n_neighbors": list(range(1, 13)), "standardise": False}, "none")
    choice = choose(head, candidates, parts(), search="halving", most=160)
    sizes = choice.tried.groupby("images")["validation"].agg(["count", "max"])
    assert sizes["count"].to_dict() == {160 // 9: 12, 160 // 3: 4, 160: 1}
    assert choice.settings["n_neighbors"] == choice.tried["n_neighbors"].iloc[-1]
    rounds = choice.tried[choice.tried["images"] == 160 // 9].sort_values("validation", ascending=False, kind="stable")
    kept = set(choice.tried[choice.tried["images"] == 160 // 3]["n_neighbors"])
    assert min(rounds.set_index("n_neighbors").loc[list(kept), "validation"]) >= rounds["validation"].iloc[4]


def test_several_at_once_choose_the_same() -> None:
    wish = HeadWish("svm", {"C": [0.01, 1.0, 10.0], "gamma": ["0.3 scale", "scale"]})
    one, two = (train_head(wish, parts(), threads=threads) for threads in (1, 2))
    assert one.settings == two.settings
    assert np.array_equal(one.test_predictions, two.test_predictions)
    assert len(one.tried) == 6


@pytest.mark.parametrize(("name", "limit"), [("logistic", 2), ("linear-svm", 2), ("svm", 3)])
def test_a_head_that_does_not_converge_says_so(name: str, limit: int) -> None:
    if name == "svm" and is_accelerated():
        pytest.skip("scikit-learn-intelex counts steps of its own")
    result = train_head(HeadWish(name, {"max_iter": limit}), parts(), threads=1)
    assert result.problem == f"did not converge in {limit} steps"


def test_binary_labels_and_missing_numbers() -> None:
    data = parts()
    from issun.extraction.parts import Parts

    two = [np.where(labels < 5, 2, 7) for labels in (data.train_labels, data.validation_labels, data.test_labels)]
    for name in HEADS:
        result = train_head(
            HeadWish(name, {setting: values[0] for setting, values in QUICK[name].items()}),
            Parts(data.train, two[0], data.validation, two[1], data.test, two[2]),
            threads=1,
        )
        assert set(result.test_predictions) <= {2, 7}
        assert result.test > 0.6
