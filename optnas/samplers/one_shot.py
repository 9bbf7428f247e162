"""Sampler that proposes what a strategy on shared weights has found."""

from __future__ import annotations

import itertools
import random
import time
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.study import Study

from optnas.errors import UserError
from optnas.one_shot.keeping import Keeping
from optnas.one_shot.strategies import check_name, make_strategy
from optnas.one_shot.strategy import Strategy
from optnas.samplers.base import CandidateSampler
from optnas.samplers.claimed import claimed
from optnas.samplers.domain import Domain, mutated, sampled
from optnas.samplers.history import History
from optnas.shown import notice
from optnas.space.closing import draw
from optnas.trials.record import ONE_SHOT, SUPERNET

__all__ = ["OneShotSampler"]

_KEPT = 200
# When all of it has been tried: so many of the best trials have children, and so often a child is drawn.
_PARENTS, _TRIES = 10, 100
_TRAININGS = 20


class OneShotSampler(CandidateSampler):
    """Sampler that trains one supernet for a study, and proposes the best architectures of it in turn.

    They are trained as those of any sampler: what is recorded of them does not rest on shared weights, unless
    ``Training(inherit="one-shot")`` says that they begin with these. The
    supernet is trained by whichever worker asks first, with its state kept where trials keep their
    checkpoints; the others wait. What it found is in the study's record, and its seconds count as those of
    the first trial. When all of it has been tried, the best trials are changed in one parameter.

    Training settings that are open are drawn, later taken from the best trials.

    Args:
        strategy: ``"darts"``, ``"darts-second-order"``, ``"beta-darts"``, ``"gdas"`` or ``"single-path"``.
        domain: The study's search space, with the problem that the strategy learns; :class:`~optnas.Study`
            gives it.
        epochs: Passes over the training part; by default twenty times the longest training of the study.
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
        seed: int | None = None,
        **settings: Any,
    ) -> None:
        super().__init__(domain, seed=seed)
        check_name(strategy)
        if epochs is not None and (not isinstance(epochs, int) or epochs < 1):
            raise UserError(f"one-shot: epochs={epochs!r} must be a whole number of at least 1")
        self._strategy, self._epochs, self._settings = strategy, epochs, settings

    def propose(self, study: Study, domain: Domain, history: History, rng: random.Random) -> dict[str, Any]:
        for architecture in self._found(study, domain):
            candidate = self._with_training(architecture, domain, history, rng)
            if domain.key(candidate) not in history.seen and domain.known(candidate) is not None:
                return candidate
        best = [history.complete[place] for place in history.best_first(history.values)[:_PARENTS]]
        candidate = sampled(domain, rng)
        for _ in range(_TRIES):
            if domain.key(candidate) not in history.seen and domain.known(candidate) is not None:
                break
            candidate = mutated(domain, rng.choice(best).params, rng) if best else sampled(domain, rng)
        return candidate

    def _with_training(
        self, architecture: dict[str, Any], domain: Domain, history: History, rng: random.Random
    ) -> dict[str, Any]:
        """Return a candidate of the architecture with training settings of a good trial, or drawn ones."""
        best = history.best_first(history.values)
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
                    self._search(study, domain)
        found = ONE_SHOT.of(study)
        proposals: list[dict[str, Any]] = [] if found is None else found["proposals"]
        return proposals

    def _search(self, study: Study, domain: Domain) -> None:
        problem = domain.problem
        if problem is None:
            raise UserError(
                f"the sampler {self._strategy!r} trains networks itself: it needs a Study with a task"
            )
        epochs = self._epochs or _TRAININGS * problem.longest
        strategy = make_strategy(self._strategy, problem, epochs=epochs, seed=self._seed, **self._settings)
        keeping = Keeping(problem, f"{self._strategy}-{epochs}-{self._seed}")
        before = keeping.resume(strategy)
        notice(
            f"the supernet of study {study.study_name!r} ({self._strategy}) is trained first, {epochs} epochs"
            + (f", from epoch {strategy.epoch + 1} on" if strategy.epoch else "")
        )
        started = time.monotonic()

        def report(strategy: Strategy) -> None:
            spent = before + time.monotonic() - started
            keeping.keep(strategy, spent, at_once=strategy.epoch == epochs)
            done = {"epoch": strategy.epoch, "epochs": epochs, "seconds": round(spent, 1)}
            SUPERNET.put(study, done)

        strategy.train(report)
        for told in strategy.told:
            notice(told)
        mixtures = list(dict.fromkeys(map(str, strategy.mixtures())))
        if mixtures:
            notice(f"activations as the supernet mixes them, for optnas train --architecture: {mixtures[0]}")
        some = itertools.islice(strategy.proposals(random.Random(self._seed)), 10 * _KEPT)
        different = {tuple(sorted(params.items())): params for params in some}
        ONE_SHOT.put(
            study,
            {
                "strategy": self._strategy,
                "told": strategy.told,
                "weights": keeping.name,
                "proposals": list(different.values())[:_KEPT],
                **({"mixtures": mixtures} if mixtures else {}),
            },
        )
