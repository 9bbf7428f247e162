"""Recommending: which items a user rates highest."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from functools import cached_property

import torch
from torch import Tensor, nn

from optnas.answers import Answer, Values
from optnas.data import Data, Part
from optnas.data.schemas import Target
from optnas.data.trees import Tree, joined
from optnas.errors import UserError, check_whole
from optnas.space import Shapes
from optnas.tasks._torchmetrics import torchmetrics
from optnas.tasks.regression import Regression
from optnas.train.task import Batches

__all__ = ["Recommending", "recommending"]

# So many ratings of the mean beside an item's own: what one user rated once is not the most popular.
_DAMPING = 5
_BLOCK = 10_000


@dataclasses.dataclass(frozen=True)
class Recommending(Regression):
    """Recommending task: the rating that a user gives an item, measured by the order of each user's items.

    The loss is that of :class:`Regression`, on standardised ratings. Measures its metrics and ``ndcg``, the
    normalised discounted cumulative gain (Järvelin & Kekäläinen 2002) of the first items of each user, by
    torchmetrics: the mean over all users whose ratings in the part of the data differ. The order of others
    makes no difference. Only rated items are ordered.

    Attributes:
        data: Samples with two inputs by name, a user's and an item's id, and a rating of 0 or more as target.
        user: Name of the input that is the user.
        item: Name of the input that is the item.
        first: Number of items of each user that count.
        relevant: The least rating of a relevant item, whose gain is 1 and that of others 0; ``None`` for the
            rating itself as gain.
    """

    user: str = "user"
    item: str = "item"
    first: int = 10
    relevant: float | None = None
    metrics = (*Regression.metrics, "ndcg")  # type: ignore[assignment]

    @property
    def answer(self) -> Answer:
        target = self.data.target
        return Values((target.name if isinstance(target, Target) else "") or "rating")

    def evaluate(self, module: nn.Module, batches: Batches) -> dict[str, float]:
        """Return the metrics of a network whose output is the standardised rating, (batch, 1)."""
        found = [(module(inputs), inputs[self.user]) for inputs, _ in batches]
        outputs, users = joined(found)
        return self._of(outputs, users, batches.targets)

    def _of(self, outputs: Tensor, users: Tensor, targets: Tensor) -> dict[str, float]:
        ndcg = self._ndcg(outputs.float().flatten().cpu(), users.flatten().cpu(), targets.cpu())
        return {**self.measure(outputs, targets), "ndcg": ndcg}

    def _ndcg(self, scores: Tensor, users: Tensor, targets: Tensor) -> float:
        function = torchmetrics().retrieval.retrieval_normalized_dcg
        found = [
            float(function(scores[chosen], gains, top_k=min(self.first, len(gains))))
            for chosen, gains in self._by_user(users, targets)
        ]
        return sum(found) / len(found)

    def _by_user(self, users: Tensor, targets: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Return for each user whose gains differ where their ratings are, and their gains."""
        gains = targets if self.relevant is None else (targets >= self.relevant).float()
        order = users.argsort(stable=True)
        counts = users.bincount()
        parts = torch.split(order, counts[counts > 0].tolist())
        return [(part, gains[part]) for part in parts if gains[part].min() < gains[part].max()]

    def at_chance(self, metrics: Mapping[str, float]) -> str | None:
        # The error of ratings may hardly fall while their order is learned.
        if metrics["ndcg"] > self.chance["ndcg"]:
            return None
        return f"ndcg {metrics['ndcg']:.4g} is at chance: a random order has {self.chance['ndcg']:.4g}"

    @cached_property
    def chance(self) -> Mapping[str, float]:
        """The metrics of predicting the mean rating, and the expected ``ndcg`` of a random order."""
        inputs, targets = _all(self.data, self.data.splits.validation)
        same = torch.zeros(len(targets))  # of items with equal scores every order counts
        return {**super().chance, "ndcg": self._ndcg(same, inputs[self.user].flatten(), targets)}

    @property
    def ideal(self) -> Mapping[str, float]:
        return {**super().ideal, "ndcg": 1.0}

    def baselines(self) -> Mapping[str, Mapping[str, float]]:
        """Return what items in random order have, and in the order of their popularity.

        That is their mean rating in the training part, damped by five ratings of the mean.
        """
        (known, ratings), (new, targets) = (
            _all(self.data, part) for part in (self.data.splits.train, self.data.splits.validation)
        )
        mean, deviation = self._figures(torch.device("cpu"))
        count = int(max(known[self.item].max(), new[self.item].max())) + 1
        items = known[self.item].flatten().long()
        standardised = ((ratings - mean) / deviation).flatten()
        sums = torch.zeros(count).index_add_(0, items, standardised)
        popularity = sums / (items.bincount(minlength=count) + _DAMPING)
        users = new[self.user]
        return {
            "random order": self._of(torch.zeros(len(targets), 1), users, targets),
            "popularity": self._of(popularity[new[self.item].flatten().long()][:, None], users, targets),
        }

    def check(self) -> None:
        name, shapes = self.data.name, self.data.shape
        if not isinstance(shapes, Shapes) or not {self.user, self.item} <= shapes.keys():
            raise UserError(
                f"data {name!r} has no inputs {self.user!r} and {self.item!r}: give both by name, such as"
                " data.tensors({'user': …, 'item': …}, ratings, kinds='ids')"
            )
        inputs, targets = _all(self.data, self.data.splits.validation)
        for each in (self.user, self.item):
            if inputs[each].is_floating_point() or inputs[each].numel() != len(targets):
                raise UserError(
                    f"data {name!r}: input {each!r} must be one whole number of each sample: kinds='ids'"
                )
        super().check()
        ratings = self.data.splits.train.y
        if ratings.ndim > 1:
            raise UserError(f"data {name!r}: targets of shape {tuple(ratings.shape)}; give one rating each")
        if min(ratings.min(), targets.min()) < 0:
            raise UserError(f"data {name!r}: a rating is below 0, which ndcg takes for no gain: add to all")
        if not self._by_user(inputs[self.user].flatten(), targets):
            raise UserError(
                f"data {name!r}: no user of the validation part has two ratings that differ"
                + ("" if self.relevant is None else f" by relevant={self.relevant}")
                + ", and their order is what ndcg measures: give it more samples of each"
            )
        torchmetrics()


def _all(data: Data, part: Part) -> tuple[Tree, Tensor]:
    """Return all inputs of a part, prepared for a network, and its targets."""
    return joined([data.splits.prepare(x) for x, _ in part.blocks(_BLOCK)]), part.y


def recommending(
    data: Data,
    *,
    user: str = "user",
    item: str = "item",
    first: int = 10,
    relevant: float | None = None,
    loss: str = "mse",
    metrics: Iterable[str] = (),
) -> Recommending:
    """Return the task of recommending items to users by their ratings in ``data``.

    Networks take ``ops.input("user")`` and ``ops.input("item")`` and return one number: ``ops.head()`` does.

    Args:
        data: Ratings, ``data.tensors({"user": …, "item": …}, ratings, kinds="ids", targets="values")``.
        user: Name of the input that is the user.
        item: Name of the input that is the item.
        first: Number of items of each user that count for ``ndcg``.
        relevant: The least rating of an item that is relevant; by default each is as relevant as its rating.
        loss: ``"mse"`` (mean squared error), ``"mae"`` (mean absolute error) or ``"huber"``.
        metrics: ``("r2",)`` to record that as well. The metrics of a study's objectives and constraints
            are measured anyway.

    Raises:
        UserError: If there is no such loss or metric, or ``first`` is no whole number of at least 1.
    """
    check_whole("recommending", first=first)
    return Recommending(data.with_targets("values"), loss, frozenset(metrics), user, item, first, relevant)
