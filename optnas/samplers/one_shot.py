"""Sampler that proposes what a strategy on shared weights has found."""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Mapping, Sequence
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.study import Study

from optnas.errors import UserError, check_whole
from optnas.one_shot.keeping import Keeping
from optnas.one_shot.problem import Problem
from optnas.one_shot.strategies import check_settings, make_strategy
from optnas.one_shot.strategy import Strategy
from optnas.samplers.base import CandidateSampler
from optnas.samplers.claimed import claimed
from optnas.samplers.domain import Domain
from optnas.samplers.ehvi import EHVISampler
from optnas.samplers.history import History
from optnas.shown import notice
from optnas.space.closing import draw
from optnas.train import lanes
from optnas.trials.record import ONE_SHOT, SUPERNET

__all__ = ["OneShotSampler"]

_TRAININGS = 20
# So many draws a proposal: probabilities that are near 0 and 1 draw the same again and again.
_DRAWS = 10


class OneShotSampler(CandidateSampler):
    """Sampler that trains one supernet for a study, proposes what it found, and goes on as ``ehvi``.

    What it proposes is trained as any candidate: what is recorded does not rest on shared weights, unless
    ``Training(inherit="one-shot")`` says that they begin with these. The supernet is trained by whichever
    worker asks first, with its state kept where trials keep their checkpoints; the others wait. What it found
    is in the study's record, and its seconds count as those of the first trial.

    Shared weights tell good architectures from bad ones, and little among the good ones. So after the first
    proposals a model of the trials, :class:`.EHVISampler`, makes the next.

    Training settings that are open are drawn, later taken from the best trials.

    Args:
        strategy: ``"darts"``, ``"darts-second-order"``, ``"beta-darts"``, ``"gdas"`` or ``"single-path"``.
        domain: The study's search space, with the problem that the strategy learns; :class:`~optnas.Study`
            gives it.
        epochs: Passes over the training part; by default as many as take the time of twenty of the study's
            longest trainings, at least the epochs of one of these.
        proposals: The number of architectures that the supernet proposes.
        seed: Seed of all randomness; by default a new one for each sampler.
        settings: Further arguments of the strategy, such as ``weightings=(0, 0.1)``.

    Raises:
        UserError: If no strategy has that name, or the study has no task.
    """

    hands_down = "one-shot"

    def __init__(
        self,
        strategy: str,
        domain: Domain | None = None,
        *,
        epochs: int | None = None,
        proposals: int = 10,
        seed: int | None = None,
        **settings: Any,
    ) -> None:
        super().__init__(domain, seed=seed)
        check_settings(strategy, settings)
        check_whole("OneShotSampler", epochs=1 if epochs is None else epochs, proposals=proposals)
        self._strategy, self._epochs, self._settings = strategy, epochs, settings
        self._proposals = proposals
        self._told = False
        self._afterwards = EHVISampler(seed=self._seed)

    def propose(self, study: Study, domain: Domain, history: History, rng: random.Random) -> dict[str, Any]:
        tried = [
            _architecture(each, domain) for each in (*(o.params for o in history.finished), *history.running)
        ]
        best = history.best_first(history.values)
        for proposal in self._found(study, domain):
            candidate = self._with_training(proposal, domain, history, best, rng)
            # One is tried once, with whatever training settings.
            if _architecture(candidate, domain) in tried or domain.key(candidate) in history.seen:
                continue
            if domain.known(candidate) is not None:
                return candidate
        return self._afterwards.propose(study, domain, history, rng)

    def _with_training(
        self,
        architecture: dict[str, Any],
        domain: Domain,
        history: History,
        best: Sequence[int],
        rng: random.Random,
    ) -> dict[str, Any]:
        """Return a candidate of the architecture with training settings of a good trial, or drawn ones.

        ``best`` are the places of the complete trials, the best first.
        """
        settings: dict[str, Any] = {}
        if best and rng.random() < 0.5:
            settings = dict(history.complete[best[rng.randrange(min(len(best), 5))]].params)

        def decide(name: str, distribution: BaseDistribution) -> Any:
            known = settings if name in domain.training else architecture
            return known[name] if name in known else draw(distribution, rng)

        return domain.decided(decide)

    def _found(self, study: Study, domain: Domain) -> list[dict[str, Any]]:
        """Return the parameters that the strategy proposes; train the supernet if nobody has."""
        if ONE_SHOT.of(study) is None:
            with claimed(study, "one_shot", lambda: ONE_SHOT.of(study) is not None) as mine:
                if mine:
                    with lanes.turn():
                        self._search(study, domain)
        found = ONE_SHOT.of(study)
        if found is not None and found["strategy"] != self._strategy and not self._told:
            self._told = True
            notice(
                f"study {study.study_name!r} has the proposals of {found['strategy']!r}, which trained its"
                f" supernet: for those of {self._strategy!r} give the study another name"
            )
        proposals: list[dict[str, Any]] = [] if found is None else found["proposals"]
        return proposals[: self._proposals]

    def _search(self, study: Study, domain: Domain) -> None:
        problem = domain.problem
        if problem is None:
            raise UserError(
                f"the sampler {self._strategy!r} trains networks itself: it needs a Study with a task"
            )
        epochs = self._epochs or self._affordable(study, problem)
        keeping = Keeping(problem, f"{self._strategy}-{epochs}-{self._seed} {sorted(self._settings.items())}")
        strategy, before = keeping.resume(
            lambda: make_strategy(self._strategy, problem, epochs=epochs, seed=self._seed, **self._settings)
        )
        notice(
            f"the supernet of study {study.study_name!r} ({self._strategy}) is trained first, {epochs} epochs"
            + (f", from epoch {strategy.epoch + 1} on" if strategy.epoch else "")
        )
        about = {"strategy": self._strategy, "epochs": epochs}
        SUPERNET.put(study, {**about, "epoch": strategy.epoch, "seconds": round(before, 1)})
        started = time.monotonic()

        def report(strategy: Strategy) -> None:
            spent = before + time.monotonic() - started
            keeping.keep(strategy, spent, at_once=strategy.epoch == epochs)
            SUPERNET.put(study, {**about, "epoch": strategy.epoch, "seconds": round(spent, 1)})

        strategy.train(report)
        self.hand_over(study, strategy, keeping.name)

    def _affordable(self, study: Study, problem: Problem) -> int:
        """Return for how many epochs to train: as long as twenty of the study's longest trainings take.

        Whoever began has measured it; all go on for as many.
        """
        begun = SUPERNET.of(study)
        if begun is not None and begun.get("strategy") == self._strategy:
            return int(begun["epochs"])
        most = _TRAININGS * problem.longest
        tried = make_strategy(self._strategy, problem, epochs=most, seed=self._seed, **self._settings)
        return min(max(round(most / tried.slowness()), problem.longest), most)

    def hand_over(self, study: Study, strategy: Strategy, weights: str | None = None) -> None:
        """Record what a trained strategy has found: all workers propose it, and none trains a supernet.

        Args:
            study: The study.
            strategy: The strategy.
            weights: The name under which its weights are kept; ``None`` if they are not.
        """
        for told in strategy.told:
            notice(told)
        mixtures = list(dict.fromkeys(map(str, strategy.mixtures())))
        if mixtures:
            notice(f"activations as the supernet mixes them, for optnas train --architecture: {mixtures[0]}")
        found = {
            "strategy": self._strategy,
            "told": strategy.told,
            "weights": weights,
            "proposals": self._different(strategy),
        }
        ONE_SHOT.put(study, found | ({"mixtures": mixtures} if mixtures else {}))

    def _different(self, strategy: Strategy) -> list[dict[str, Any]]:
        """Return the first different architectures that the strategy proposes."""
        some = itertools.islice(strategy.proposals(random.Random(self._seed)), _DRAWS * self._proposals)
        different = {tuple(sorted(params.items())): params for params in some}
        return list(different.values())[: self._proposals]


def _architecture(params: Mapping[str, Any], domain: Domain) -> dict[str, Any]:
    return {name: value for name, value in params.items() if name not in domain.training}
