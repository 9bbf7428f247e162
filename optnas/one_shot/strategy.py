"""Base class of strategies: they train a supernet and say which of its architectures to try."""

from __future__ import annotations

import math
import random
import statistics
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from optnas.one_shot.learning import Batch, Learning
from optnas.one_shot.problem import Problem
from optnas.one_shot.supernet import Supernet
from optnas.space import Node, SpaceError
from optnas.train.loop import Diverged
from optnas.train.optimizers import make_optimizer
from optnas.train.schedule import learning_rate

__all__ = ["Strategy"]

Built = TypeVar("Built")

# Random architectures in a row that cannot be built, until a strategy gives up.
_TRIES = 50
# Batches, and random architectures, by which the time of an epoch is judged.
_TIMED = 4
# The largest norm of a gradient of the shared weights; of different architectures they differ widely.
_CLIP = 5.0


class Strategy(ABC):
    """A way to search on weights that all architectures share.

    Args:
        problem: What is searched for.
        epochs: Passes over the training part.
        seed: Seed of everything random.

    Attributes:
        net: The supernet.
        epoch: The number of epochs done.
        told: What a user should know of the search, in words.

    Raises:
        UserError: If the task cannot be learned by the usual training step.
        SpaceError: If no architecture of the space can be built.
    """

    _steps: int  # of an epoch

    def __init__(self, problem: Problem, epochs: int, seed: int = 0) -> None:
        self.problem, self.epochs, self.seed = problem, epochs, seed
        self.epoch = 0
        self.told: list[str] = []
        self.learning = Learning(problem.task, problem.training, problem.device, seed)
        self.net = Supernet(problem.space, problem.shape, problem.context, seed).to(problem.device)
        self._rng = random.Random(seed)
        self._step = 0
        self._made = self._make_optimizer()
        self._changes = self.net.weights.changes

    def train(self, report: Callable[[Strategy], None] = lambda strategy: None) -> None:
        """Train until :attr:`epochs` epochs are done.

        Args:
            report: Called after each epoch; may raise to stop.

        Raises:
            Diverged: If the loss is no longer finite.
        """
        with torch.random.fork_rng(devices=[]):
            while self.epoch < self.epochs:
                # Anew for each epoch, so that one that was stopped goes on as if it had not been.
                torch.manual_seed(self.seed + 1_000 * self.epoch)
                self._rng.seed(f"{self.seed} {self.epoch}")
                mean = self._train_epoch()
                if not math.isfinite(mean):
                    raise Diverged(f"the supernet's loss became {mean} in epoch {self.epoch + 1}")
                self.epoch += 1
                self._end_epoch()
                report(self)

    def slowness(self) -> float:
        """Return how many times longer an epoch takes than one of a random architecture on all samples.

        It is measured by a few steps, which change the weights: for a strategy that is thrown away.
        """
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            batch = next(self.learning.epoch())
            self.epoch = self.epochs // 2  # all of its parts learn by then
            self.learning.most_batches = _TIMED
            step = _seconds(self._train_epoch) / min(_TIMED, self._steps)
            plain = [_seconds(partial(self._plain_step, each, batch)) for each in self._some_paths()]
        if not plain:
            return 1.0
        return step * self._steps / (statistics.median(plain) * self.learning.steps())

    def _plain_step(self, network: nn.Module, batch: Batch) -> float:
        return float(self._learn(network, batch, self._steps))

    def _some_paths(self) -> Iterator[nn.Module]:
        for _ in range(_TIMED):
            with suppress(SpaceError):  # it cannot be built
                yield self.net.path(self.net.drawn(self._rng)).to(self.problem.device)

    @abstractmethod
    def proposals(self, rng: random.Random) -> Iterator[dict[str, Any]]:
        """Yield parameters of architectures to train, the most promising first; some may be repeated."""

    def mixtures(self) -> list[Node]:
        """Return architectures in which activations are mixed as the supernet has learned to mix them.

        They are none of the space: they can be trained on their own. Nothing by default.
        """
        return []

    @abstractmethod
    def _train_epoch(self) -> float:
        """Train for one epoch and return the mean loss."""

    def _end_epoch(self) -> None:  # noqa: B027 - few strategies have something to do
        """Do what is to be done after each epoch."""

    @property
    def _progress(self) -> float:
        """The share of the search that is done."""
        return self.epoch / self.epochs

    @property
    def _optimizer(self) -> torch.optim.Optimizer:
        """The optimiser of all shared weights, also of those that came or grew since it was made.

        Which weights a space needs is found by drawing architectures, so some are only asked for later.
        Momentum of one that grew begins anew.
        """
        if self._changes != self.net.weights.changes:
            (group,) = self._made.param_groups
            group["params"] = list(self.net.parameters())
            there = set(group["params"])
            for gone in [weight for weight in self._made.state if weight not in there]:
                del self._made.state[gone]
            self._changes = self.net.weights.changes
        return self._made

    def _until_built(self, make: Callable[[], Built]) -> Built:
        """Return what ``make`` returns of an architecture that it draws, once one can be built."""
        for _ in range(_TRIES):
            with suppress(SpaceError):
                return make()
        raise SpaceError(f"none of {_TRIES} architectures that were drawn can be built")

    def _make_optimizer(self) -> torch.optim.Optimizer:
        training, weights = self.problem.training, list(self.net.parameters())
        name = training.optimizer if training.optimizer not in training.optimizers else "adam"
        if name == "sgd":
            # Not the fused one: it wants a momentum of every weight, and those of some come later.
            return torch.optim.SGD(
                weights,
                training.lr,
                training.momentum,
                weight_decay=training.weight_decay,
                nesterov=training.momentum > 0,
            )
        return make_optimizer(
            name,
            weights,
            lr=training.lr,
            weight_decay=training.weight_decay,
            momentum=training.momentum,
            betas=training.betas,
        )

    def _learn(self, network: nn.Module, batch: Batch, steps: int) -> Tensor:
        """Do a step of the shared weights on the loss of a network; ``steps`` make an epoch.

        Only what the network uses changes: momentum and decay leave all other weights alone.
        """
        self._optimizer.zero_grad(set_to_none=True)
        network.train()
        loss = self.learning.loss(network, batch)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_([w for w in self.net.parameters() if w.grad is not None], _CLIP)
        for group in self._optimizer.param_groups:
            group["lr"] = self.rate(steps)
        self._optimizer.step()
        self._step += 1
        return loss.detach()

    def rate(self, steps: int) -> float:
        """Return the learning rate of the shared weights at this step, of an epoch of ``steps`` steps."""
        training = self.problem.training
        progress = min(self._step / (steps * self.epochs), 1 - 1e-9)
        share = learning_rate(
            training.schedule, training.warm_up, progress, training.lr_decay, training.milestones
        )
        return float(training.lr) * share

    # For checkpoints.

    def state(self) -> dict[str, Any]:
        """Return all that a search resumes from, in tensors, numbers, texts, lists and dictionaries."""
        return {
            "epoch": self.epoch,
            "step": self._step,
            "told": list(self.told),
            "weights": self.net.weights.values(),
            "optimizer": self._optimizer.state_dict(),
            "order": self.learning.generator.get_state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Resume from what :meth:`state` returned in a search with the same arguments."""
        self.epoch, self._step, self.told = state["epoch"], state["step"], list(state["told"])
        self.net.weights.restore(state["weights"])
        self._made, self._changes = self._make_optimizer(), self.net.weights.changes
        self._made.load_state_dict(state["optimizer"])
        self.learning.generator.set_state(state["order"])


def _seconds(call: Callable[[], float]) -> float:
    """Return the seconds that a call takes when it is not the first."""
    call()
    started = time.perf_counter()
    call()  # which waits for the GPU, as it returns a number
    return time.perf_counter() - started
