"""Screening of random candidates by scores that need no trial, once for a study and all of its workers."""

from __future__ import annotations

import dataclasses
import random
import time
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.study import Study

from optnas import pareto
from optnas.measure.zero_cost.aggregate import log_ranks
from optnas.samplers.claimed import claimed
from optnas.samplers.domain import Domain, Params, sampled
from optnas.samplers.scoring import Screening
from optnas.shown import notice
from optnas.trials.record import SCREENED, SCREENING

__all__ = ["Screened", "screened"]

# So many draws a candidate, before the space is taken to have no more of them.
_DRAWS = 20
# Progress is written, from which another worker goes on if this one dies, whenever so much time has passed.
_WRITTEN_SECONDS = 2.0
# If no network among the first so many can be scored, no other one is built.
_HOPELESS = 10
# A warm start proposes at most one in so many of the candidates that were scored.
_ONE_IN = 8


@dataclasses.dataclass(frozen=True)
class Screened:
    """Random candidates of a study with their scores.

    Attributes:
        candidates: The candidates.
        scores: Their scores, shape (candidates, scores).
        seconds: The time that it took.
    """

    candidates: list[Params]
    scores: NDArray[np.float64]
    seconds: float

    @cached_property
    def aggregate(self) -> NDArray[np.float64]:
        """The sum of the logarithms of each candidate's ranks, shape (candidates,)."""
        return log_ranks({str(i): column for i, column in enumerate(self.scores.T)})

    def best(self, domain: Domain, signs: NDArray[np.float64], most: int) -> list[Params]:
        """Return at most ``most`` candidates that are good by their scores, spread along the costs.

        They are those that no other beats in all objectives known beforehand and in the aggregate, then those
        that only these beat, and so on. Of the last such layer they are evenly spread along the costs.
        They come in an order in which any first ones are spread. Without known objectives they are the best
        by the aggregate, the best first.

        Args:
            domain: The search space.
            signs: 1 for each objective to be minimised, -1 for each to be maximised.
            most: How many, and not more than one in eight of the candidates.
        """
        if not self.candidates:
            return []
        count = min(most, max(1, len(self.candidates) // _ONE_IN))
        known = np.array([domain.known(params) or [None] * len(signs) for params in self.candidates], float)
        exact = np.isfinite(known).all(axis=0)
        costs = known[:, exact] * signs[exact]
        places = np.argsort(costs, axis=0, kind="stable").argsort(axis=0).sum(axis=1)
        ranks = pareto.ranks(np.column_stack([costs, -self.aggregate]))
        chosen: list[int] = []
        for rank in np.unique(ranks):
            layer = np.flatnonzero(ranks == rank)
            chosen += _evenly(layer[np.argsort(places[layer], kind="stable")], count - len(chosen))
            if len(chosen) == count:
                break
        if not exact.any():
            return [self.candidates[i] for i in chosen]
        chosen.sort(key=lambda i: places[i])
        return [self.candidates[chosen[i]] for i in _spread(len(chosen))]


def screened(study: Study, domain: Domain, screening: Screening) -> Screened:
    """Return the study's screened candidates; score them if no worker has.

    One worker scores them, the others wait. Where one was killed, another goes on.
    """

    def done() -> bool:
        return bool(_recorded(study, screening)["done"])

    if not done():
        with claimed(study, "screening", done) as mine:
            if mine:
                _screen(study, domain, screening)
    record = _recorded(study, screening)
    candidates = [_drawn(domain, screening, number) for number in record["numbers"]]
    return Screened(
        candidates, np.array(record["scores"]).reshape(-1, len(screening.names)), record["seconds"]
    )


def _drawn(domain: Domain, screening: Screening, number: int) -> Params:
    """Return the random candidate of that number, the same for every worker."""
    return sampled(domain, random.Random(f"{screening.seed} screened {number}"))


def _recorded(study: Study, screening: Screening) -> dict[str, Any]:
    """Return the record of the screening so far; an empty one if there is none by the same scores."""
    empty = {"names": [*screening.names], "seed": screening.seed}
    record = SCREENED.of(study)
    if record is None or any(record[name] != value for name, value in empty.items()):
        return {**empty, "numbers": [], "scores": [], "next": 0, "seconds": 0.0, "done": False}
    return record


def _screen(study: Study, domain: Domain, screening: Screening) -> None:
    record = _recorded(study, screening)
    wanted, before, started = screening.candidates, record["seconds"], time.monotonic()
    if screening.computed:
        notice(
            f"study {study.study_name!r} is screened first: up to {wanted} random candidates are scored"
            f" without training, for at most {screening.seconds:.0f} seconds"
            + (f", from the {len(record['numbers'])} of before on" if record["numbers"] else "")
        )
    seen = {screening.same(_drawn(domain, screening, number)) for number in record["numbers"]}
    written, failed = started, 0

    def write(done: bool = False) -> None:
        record.update(seconds=round(before + time.monotonic() - started, 3), done=done)
        SCREENED.put(study, record)
        told = {"scored": len(record["numbers"]), "of": wanted, "seconds": record["seconds"]}
        SCREENING.put(study, {**told, "of": told["scored"]} if done else told)

    for number in range(record["next"], _DRAWS * wanted):
        enough = len(record["numbers"]) >= wanted or (failed >= _HOPELESS and not record["numbers"])
        if enough or before + time.monotonic() - started > screening.seconds:
            break
        record["next"] = number + 1
        params = _drawn(domain, screening, number)
        key = screening.same(params)
        if key in seen or domain.known(params) is None or not screening.keeps(params):
            continue
        seen.add(key)
        scores = screening.scores_of(params)
        if scores is None:
            failed += 1
            continue
        record["numbers"].append(number)
        record["scores"].append([*scores])
        if time.monotonic() - written > _WRITTEN_SECONDS:
            write()
            written = time.monotonic()
    write(done=True)
    if screening.computed:
        notice(f"{len(record['numbers'])} candidates were scored in {record['seconds']:.1f} seconds")
    if not record["numbers"]:
        notice("no candidate could be scored: the search goes on as without scores")


def _evenly(layer: NDArray[np.intp], count: int) -> list[int]:
    """Return ``count`` entries, evenly spread from end to end, or all; one alone is the middle one."""
    if count >= len(layer):
        return list(layer)
    places = np.linspace(0, len(layer) - 1, count) if count > 1 else np.array([len(layer) // 2])
    return list(layer[places.round().astype(int)])


def _spread(count: int) -> list[int]:
    """Return the numbers below ``count``, each the one farthest from those before it, from the middle on."""
    order = [count // 2]
    while len(order) < count:
        left = sorted(set(range(count)) - set(order))
        order.append(max(left, key=lambda i: min(abs(i - other) for other in order)))
    return order
