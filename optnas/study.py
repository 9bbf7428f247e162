"""The study as Optuna runs it: objective function, sampler, pruner and storage."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from functools import cached_property

import optuna
from optuna.pruners import BasePruner, NopPruner
from optuna.samplers import BaseSampler
from optuna.storages import BaseStorage

from optnas.declaration import Declaration
from optnas.errors import UserError
from optnas.pruners import make_pruner
from optnas.samplers import make_sampler
from optnas.samplers.base import CandidateSampler
from optnas.samplers.warm_start import WarmStartSampler
from optnas.shown import note
from optnas.space import Node, OpError, SpaceError, UncountableError
from optnas.space.own_ops import called, changed_ops, own_ops
from optnas.study_about import keep_about
from optnas.study_domain import StudyDomain
from optnas.study_record import check_unchanged
from optnas.train.allowed import possible_values
from optnas.trial import run
from optnas.trial_inheriting import check_kept
from optnas.trials.record import AXES, OPS, STUDY_OPS
from optnas.trials.volume import keep_axes

__all__ = ["Study"]

# So many random architectures have most ops of a space among them.
_SAMPLED = 50


class Study(Declaration):
    """A study: search space, task or evaluation, objectives, sampler and pruner.

    Args:
        name: Its name in the storage.
        space: The search space: an architecture with choices left open.
        objectives: One or more of :func:`~optnas.maximize` and :func:`~optnas.minimize`.
        task: The learning task: data, loss and metrics. Give either this or ``evaluate``.
        evaluate: Takes a :class:`~optnas.candidate.Candidate` and a function ``report(step, metrics)``
            and returns metrics by name; replaces building, training and measuring. If it reports at
            steps, give its last step as ``training=Training(epochs=…)``: otherwise a trial may be
            pruned there, just before it ends.
        constraints: Limits, as texts (``"params <= 200_000"``) or functions of the candidate.
        training: How candidates are trained; its values may be choices left open, too.
        sampler: A name (``random``, ``tpe``, ``nsga2``, ``gp``, ``ehvi``, ``cmaes``, ``evolution``,
            ``local``, ``reinforce``; on shared weights ``darts``, ``darts-second-order``, ``beta-darts``,
            ``gdas``, ``single-path``) or any Optuna sampler; ``auto`` is ``ehvi``, and ``tpe`` with three
            objectives or more, with which ``ehvi`` is slow.
        pruner: A name (``pareto-halving``, ``pareto-improvement``, ``pareto-promotion``, ``median``,
            ``successive-halving``, ``hyperband``, ``none``), any Optuna pruner, or ``None``; ``auto`` is
            ``none`` for ``ehvi``, which learns more from full trainings than it loses by their time,
            and ``pareto-halving`` for the other samplers.
        measuring: How latency, energy and peak memory are measured if an objective or a constraint
            uses them; by default with one sample and one thread, on the device of the training.
        warm_start: ``"zero-cost"`` lets any sampler begin with ten architectures that are the best of a
            hundred random ones by zero-cost scores, spread along the costs.
        features: ``"zero-cost"`` gives the zero-cost scores of a candidate to the model of ``ehvi``.
        zero_cost: Which scores these are, of how many candidates, and how long that may take.
        costs: Takes a candidate and returns exactly known values by name. By default these are the
            architecture's FLOPs, parameters, …, if ``task`` or ``shape`` gives the input's shape.
        shape: Shape of one input, without the batch, for a study without a task.
        context: Values that ops otherwise take from the task, e.g. ``{"outputs": 10}``.
        artifacts: Where trials keep a checkpoint at each rung, to resume from it if their worker dies:
            an Optuna artifact store, a folder, ``"s3://bucket"`` or ``"gs://bucket"``. Workers on
            several machines need one that all of them reach. By default ``optnas run`` takes a folder
            beside its storage, and :attr:`objective` keeps no checkpoints; ``"none"`` keeps none
            anywhere. Ignored with ``evaluate``.
        card: What the model cards of its networks state beside figures, such as
            ``Card(license="mit", data_source="https://…")``, or a dictionary of that.
        seed: Seed of everything random. Trial ``n`` is trained with the seed ``seed + n``.

    Raises:
        UserError: If the arguments do not fit together; the message says what to do.
    """

    @property
    def objective(self) -> Callable[[optuna.Trial], list[float]]:
        """Optuna objective function, for ``optuna.create_study(…).optimize(study.objective)``.

        The names and directions of the values are those of :attr:`objectives`. With ``n_jobs=2`` trainings
        take turns, and have the values of ``n_jobs=1``; ``optnas run --workers 2`` runs them side by side.
        A study's own ``evaluate`` runs in all threads at once, and must not draw from generators that they
        share, such as PyTorch's.

        Raises:
            UserError: If trials inherit weights, and there is no store to keep those in.
        """
        check_kept(self)
        return lambda trial: run(self, trial)

    @cached_property
    def domain(self) -> StudyDomain:
        """The candidates and their values known before training, for samplers of :mod:`optnas.samplers`."""
        return StudyDomain(self)

    def make_sampler(self) -> BaseSampler:
        """Return the study's sampler."""
        sampler = self.sampler
        if isinstance(sampler, str):
            sampler = make_sampler(sampler, self.seed, self.domain)
        elif isinstance(sampler, CandidateSampler):
            sampler.use(self.domain)  # one that the user made knows of the costs, too
        return sampler if self.warm_start is None else WarmStartSampler(sampler, self.domain)

    def make_pruner(self) -> BasePruner:
        """Return the study's pruner."""
        if self.pruner is None:
            return NopPruner()
        if not isinstance(self.pruner, str):
            return self.pruner
        full = max(possible_values(self.training.epochs)) if self._has_full else None
        return make_pruner(self.pruner, self.training.rungs, full, self.domain)

    def open(self, storage: BaseStorage) -> optuna.Study:
        """Load this study from ``storage``, or create it there if it is new.

        Raises:
            UserError: If a study of that name has another space, other objectives or another training, or
                was measured on another device, if this device cannot measure a metric that is needed, or if
                trials inherit weights and there is no store to keep those in.
        """
        check_kept(self)
        self._check_countable()
        place = self.measuring.fingerprint(self.measured, self.training)
        study = optuna.create_study(
            study_name=self.name,
            storage=storage,
            sampler=self.make_sampler(),
            pruner=self.make_pruner(),
            directions=self.directions,
            load_if_exists=True,
        )
        check_unchanged(self, study)
        self._tell_changed_ops(study)
        self.check_fingerprint(study, place)
        self.domain.region.keep(study)
        if AXES.of(study) is None:
            keep_axes(study, self.domain.ends())
            keep_about(self, study)
        return study

    def _sampled_costs(self) -> Iterator[tuple[Node, dict[str, float] | SpaceError]]:
        """Yield random architectures with their exact costs, or with why they cannot be built."""
        for seed in range(_SAMPLED) if self.costs_from_tree else ():
            architecture = self.space.sample(seed)
            try:
                yield architecture, self.tree_costs(architecture)
            except SpaceError as error:
                yield architecture, error

    def _check_countable(self) -> None:
        """Raise ``UserError`` if an op of the user's own cannot be counted, before the first trial."""
        missing = set(self.own_ops)
        for architecture, costs in self._sampled_costs() if missing else ():
            if isinstance(costs, UncountableError):
                raise UserError(f"study {self.name!r}: {costs}") from None
            if not isinstance(costs, SpaceError):
                missing -= own_ops(architecture).keys()
            if not missing:
                return

    def check_fits(self) -> None:
        """Raise ``UserError`` if none of many random architectures can be built for the data.

        If none of those keeps the constraints, or none with an op of the user's own can be built, say so on
        standard error.
        """
        self._check_any_fits()
        self._tell_unbuildable_ops()

    def _check_any_fits(self) -> None:
        reasons, broken, built = Counter[str](), Counter[str](), 0
        for _, costs in self._sampled_costs():
            if isinstance(costs, OpError):
                return  # a mistake, which trials fail of
            if isinstance(costs, SpaceError):
                reasons[str(costs)] += 1
                continue
            try:
                breaks = [limit.name for limit in self.broken_limits(costs)]
            except ArithmeticError:
                return  # a limit without value, which trials fail of
            if not breaks:
                return
            built += 1
            broken.update(breaks)
        if broken:
            never = [repr(name) for name, count in broken.items() if count == built]
            which = " nor ".join(never) or "all of " + ", ".join(map(repr, sorted(broken)))
            note(
                f"note: none of {built} random architectures of study {self.name!r} keeps {which}:"
                " trials that break a constraint are not trained",
            )
            return
        for reason, _ in reasons.most_common(1):
            raise UserError(f"study {self.name!r}: no architecture of its space fits the data: {reason}")

    def _tell_unbuildable_ops(self) -> None:
        """Say on standard error which of the user's own ops are in no random architecture that can be built.

        A sampler that knows the costs before a trial never chooses them, so that no trial would tell it.
        """
        missing, reasons, any_built = set(self.own_ops), dict[str, str](), False
        for architecture, costs in self._sampled_costs() if missing else ():
            inside = missing & own_ops(architecture).keys()
            if isinstance(costs, SpaceError):
                reasons = {**dict.fromkeys(inside, str(costs)), **reasons}
            else:
                missing -= inside
                any_built = True
            if not missing:
                return
        if not any_built:  # which is told as an error
            return
        for reason in sorted({reasons[name] for name in missing & reasons.keys()}):
            names = sorted(name for name in missing if reasons.get(name) == reason)
            what = ("the op " if len(names) == 1 else "the ops ") + " and ".join(map(repr, names))
            note(f"note: no random architecture with {what} can be built: {reason}")

    def _tell_changed_ops(self, study: optuna.Study) -> None:
        """Say on standard error which functions of the user's own changed since the study was last run."""
        before, now = STUDY_OPS.of(study), self.own_sources
        for name in changed_ops(before, now):
            made = sum(
                name in changed_ops(OPS.of(trial), now)
                for trial in study.get_trials(deepcopy=False)
                if trial.state.is_finished()
            )
            if not made:
                continue
            note(
                f"note: the {called(name)} changed since study {self.name!r} was last run:"
                f" {made} {'trial was' if made == 1 else 'trials were'} made with an earlier one."
                " They stay, and the new one is trained anew.",
            )
        if now and before != now:
            STUDY_OPS.put(study, {**(before or {}), **now})
