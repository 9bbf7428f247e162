from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import ndcg_score

from optnas import Training, UserError, data, parse, tasks
from optnas.train import fit

RNG = np.random.default_rng(0)
USERS, ITEMS = 12, 9
USER, ITEM = np.repeat(np.arange(USERS), ITEMS), np.tile(np.arange(ITEMS), USERS)
STARS = RNG.integers(1, 6, USERS * ITEMS).astype(float)
STARS[USER == 3] = 2.0  # whatever is first is as good


def rated(stars: np.ndarray = STARS, **arguments: Any) -> tasks.Recommending:
    given = {"user": USER, "item": ITEM}
    return tasks.recommending(
        data.tensors(given, stars, kinds="ids", targets="values", validation=0.5, test=0.1), **arguments
    )


class Fixed(torch.nn.Module):
    """Scores of items that do not depend on the user."""

    def __init__(self, scores: np.ndarray) -> None:
        super().__init__()
        self.scores = torch.from_numpy(scores).float()

    def forward(self, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        return self.scores[inputs["item"]][:, None]


class Parts:
    """The validation part in batches of 7."""

    def __init__(self, task: tasks.Recommending) -> None:
        self._part = task.data.splits.validation
        self.targets = self._part.y

    def __iter__(self) -> Any:
        return self._part.blocks(7)


def expected(task: tasks.Recommending, scores: np.ndarray, first: int, relevant: float | None) -> float:
    """Return scikit-learn's score, the mean over users whose gains differ."""
    part = task.data.splits.validation
    users, items, stars = part.x["user"].numpy(), part.x["item"].numpy(), part.y.numpy()
    gains = stars if relevant is None else stars >= relevant
    found = []
    for user in range(USERS):
        own = users == user
        if len(set(gains[own])) > 1:
            found.append(ndcg_score(gains[own][None], scores[items[own]][None], k=first))
    assert len(found) < USERS
    return float(np.mean(found))


@pytest.mark.parametrize(("first", "relevant"), [(10, None), (2, None), (3, 4.0)])
def test_ndcg_is_scikit_learn_s_mean_over_users_whose_ratings_differ(
    first: int, relevant: float | None
) -> None:
    task = rated(first=first, relevant=relevant)
    scores = RNG.normal(size=ITEMS)
    found = task.evaluate(Fixed(scores), Parts(task))
    assert found["ndcg"] == pytest.approx(expected(task, scores, first, relevant), rel=1e-5)
    assert found["rmse"] > 0
    assert expected(task, np.zeros(ITEMS), first, relevant) == pytest.approx(task.chance["ndcg"], rel=1e-5)


def test_chance_is_what_random_orders_have_on_average() -> None:
    task = rated(first=3, relevant=4.0)
    orders = [task.evaluate(Fixed(RNG.normal(size=ITEMS)), Parts(task))["ndcg"] for _ in range(200)]
    assert np.mean(orders) == pytest.approx(task.chance["ndcg"], abs=4 * np.std(orders) / 200**0.5)
    assert task.at_chance({"ndcg": task.chance["ndcg"] + 0.01, "rmse": 99.0}) is None
    assert "a random order has" in str(task.at_chance({"ndcg": task.chance["ndcg"], "rmse": 0.0}))


def test_popularity_is_the_damped_mean_rating_of_the_training_part() -> None:
    task = rated(first=3)
    train = task.data.splits.train
    items, stars = train.x["item"].numpy(), train.y.numpy()
    damped = np.array(
        [(stars[items == i].sum() + 5 * stars.mean()) / ((items == i).sum() + 5) for i in range(ITEMS)]
    )
    found = task.baselines()
    assert found["popularity"]["ndcg"] == pytest.approx(expected(task, damped, 3, None), rel=1e-5)
    assert found["random order"]["ndcg"] == task.chance["ndcg"]
    validation = task.data.splits.validation
    errors = damped[validation.x["item"].numpy()] - validation.y.numpy()
    assert found["popularity"]["rmse"] == pytest.approx(np.sqrt(np.square(errors).mean()), rel=1e-4)


def test_a_network_of_two_embeddings_learns_the_order_of_items() -> None:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    task = rated(1.0 + ITEM % 5, first=3)
    task.check()
    text = f"""seq(branch(seq(input('user'), embedding(2, vocabulary={USERS})),
        seq(input('item'), embedding(4, vocabulary={ITEMS})), merge='concat'), head)"""
    module = parse(text).build(task.data.shape, **task.context)
    training = Training(epochs=60, batch_size=16, lr=5e-2)
    assert fit(module, task, training, device=torch.device("cpu"), seed=0)["ndcg"] > 0.97


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: tasks.recommending(data.digits()), "has no inputs 'user' and 'item': give both by name"),
        (lambda: rated(item="film"), "no inputs 'user' and 'film'"),
        (lambda: rated(first=0), "first=0"),
        (lambda: rated(-STARS), "a rating is below 0"),
        (lambda: rated(relevant=7), "ratings that differ by relevant=7"),
        (lambda: rated(metrics=["ndgc"]), "recommending does not measure 'ndgc': did you mean 'ndcg'"),
        (
            lambda: tasks.recommending(data.tensors({"user": USER[:, None], "item": ITEM[:, None]}, STARS)),
            "input 'user' must be one whole number of each sample",
        ),
    ],
)
def test_what_cannot_be_ordered_is_one_line(make: Any, said: str) -> None:
    with pytest.raises(UserError, match=said):
        make().check()
