"""A study as Optuna runs it: its objective, its sampler and pruner, and its place in a storage."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cached_property

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.pruners import BasePruner, NopPruner
from optuna.samplers import BaseSampler
from optuna.storages import BaseStorage

from optnas.declaration import Declaration
from optnas.errors import UserError
from optnas.pruners import make_pruner
from optnas.samplers import make_sampler
from optnas.study_domain import StudyDomain
from optnas.train.training import possible
from optnas.trial import run
from optnas.trials.record import SPACE

__all__ = ["Study"]


class Study(Declaration):
    """A search: a space, what is evaluated, and what is wanted.

    Args:
        name: What it is called in the storage.
        space: An architecture with holes.
        objectives: One or more of :func:`~optnas.maximize` and :func:`~optnas.minimize`.
        task: What the networks learn. Either this or ``evaluate``.
        evaluate: Takes a :class:`~optnas.candidate.Candidate` and a function ``report(step, metrics)``
            and returns metrics by name; replaces building, training and measuring. Where it reports at
            steps, say by ``training=Training(epochs=…)`` which is its last, or a trial may be pruned
            there, just before it ends.
        constraints: Limits, as texts (``"params <= 200_000"``) or functions of the candidate.
        training: How candidates are trained; its values may be holes.
        sampler: A name (``random``, ``tpe``, ``nsga2``, ``gp``, ``ehvi``, ``cmaes``, ``evolution``,
            ``local``, ``reinforce``) or any Optuna sampler; ``auto`` is ``ehvi``, and ``tpe`` with three
            objectives or more, where the other takes its time.
        pruner: A name (``pareto-halving``, ``pareto-improvement``, ``pareto-promotion``, ``median``,
            ``successive-halving``, ``hyperband``, ``none``), any Optuna pruner, or ``None``; ``auto`` is
            ``none`` beside ``ehvi``, which learns more from whole trainings than it loses by their time,
            and ``pareto-halving`` beside the others.
        measuring: How latency, energy and peak memory are measured where an objective or a constraint
            asks for them; by default of one sample with one thread, on the device of the training.
        costs: Takes a candidate and returns exactly known values by name. By default the tree's
            own costs where ``task`` or ``shape`` tell the input's shape.
        shape: The input's shape without the batch, where there is no task to tell it.
        context: What ops take from their surroundings where there is no task, e.g. ``{"outputs": 10}``.
        artifacts: Where checkpoints of trials are kept at their rungs, so that a trial goes on where its
            worker died: an Optuna artifact store, a folder, ``"s3://bucket"`` or ``"gs://bucket"``.
            Workers on several machines need one that all of them reach. By default ``optnas run`` has
            a folder beside its storage and :attr:`objective` keeps none; ``"none"`` is for none at all.
            Of no use to ``evaluate``.
        seed: Of everything random. Trial ``n`` is trained with the seed ``seed + n``.

    Raises:
        UserError: If something does not fit together; the message says what to do.
    """

    @property
    def objective(self) -> Callable[[optuna.Trial], list[float]]:
        """An ordinary Optuna objective: ``create_study(…).optimize(study.objective)`` needs no more.

        The names and directions of the values are those of :attr:`objectives`.
        """
        return lambda trial: run(self, trial)

    @cached_property
    def domain(self) -> StudyDomain:
        """What may be tried, and what is known of it beforehand: for a sampler of :mod:`optnas.samplers`."""
        return StudyDomain(self)

    def make_sampler(self) -> BaseSampler:
        """Return the sampler."""
        if isinstance(self.sampler, str):
            return make_sampler(self.sampler, self.seed, self.domain)
        return self.sampler

    def make_pruner(self) -> BasePruner:
        """Return the pruner."""
        if self.pruner is None:
            return NopPruner()
        if not isinstance(self.pruner, str):
            return self.pruner
        full = max(possible(self.training.epochs)) if self._has_full else None
        return make_pruner(self.pruner, self.training.rungs, full, self.domain)

    def open(self, storage: BaseStorage) -> optuna.Study:
        """Return this study in ``storage``, made there if it is new.

        Raises:
            UserError: If a study of that name is there with another space or other objectives, or
                was measured on another device, or this one cannot measure what is asked.
        """
        place = self.measuring.place(self.measured, self.training)
        study = optuna.create_study(
            study_name=self.name,
            storage=storage,
            sampler=self.make_sampler(),
            pruner=self.make_pruner(),
            directions=self.directions,
            load_if_exists=True,
        )
        wanted = [(objective.name, objective.direction) for objective in self.objectives]
        known = study.metric_names
        directions = [direction.name.lower() for direction in study.directions]
        if directions != self.directions or (known and known != [name for name, _ in wanted]):
            before = ", ".join(
                f"{how} {what}"
                for what, how in zip(known or ["?"] * len(directions), directions, strict=True)
            )
            now = ", ".join(f"{how} {what}" for what, how in wanted)
            raise UserError(
                f"study {self.name!r} is there with other objectives ({before}; now {now}):"
                " give this one another name"
            )
        if known is None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ExperimentalWarning)
                study.set_metric_names([name for name, _ in wanted])
        self._check_space(study)
        self.check_place(study, place)
        self.domain.region.keep(study)
        return study

    def _check_space(self, study: optuna.Study) -> None:
        """Refuse to go on with a space that changed; keep what it was where it is new."""
        now = {name: _describe(distribution) for name, distribution in self.distributions().items()}
        before = SPACE.of(study)
        if before is None:
            SPACE.put(study, now)
            return
        if before == now:
            return
        for name in [*before, *now]:
            if before.get(name) != now.get(name):
                was = before.get(name, "not there")
                become = now.get(name, "no longer there")
                raise UserError(
                    f"the space of study {self.name!r} changed: {name!r} was {was} and is now {become};"
                    " give the study another name, or undo the change"
                )


def _describe(distribution: BaseDistribution) -> str:
    """Return a distribution in words, different for all that are not compatible."""
    if isinstance(distribution, CategoricalDistribution):
        return " | ".join(map(str, distribution.choices))
    low, high, step = distribution.low, distribution.high, distribution.step  # type: ignore[attr-defined]
    scale = " log" if distribution.log else ""  # type: ignore[attr-defined]
    return f"{low} to {high}" + (f" by {step}" if step not in (None, 1) else "") + scale
