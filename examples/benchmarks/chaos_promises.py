"""What chaos.py checks after a run: each promise, what was counted for it, and whether it is kept.

Three witnesses are compared that know nothing of each other: the storage as bare Optuna reads it, the records
that the evaluations wrote themselves, and the log of what was inflicted.
"""

from __future__ import annotations

import collections
import dataclasses
import itertools
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from chaos_faults import BEAT_SECONDS, LEASE_SECONDS, Struck
from chaos_study import OWN_FAILURE, fails, table
from chaos_workers import Attempt, Life
from optuna.trial import FrozenTrial, TrialState

from optnas.trials.record import METRICS, REASON, TWIN, WORKER
from optnas.trials.rungs import rungs_of

_EXIT_SECONDS = 10.0
_NOTICED_SECONDS = 2.0  # a machine with more processes than cores sees an end that much later
_SHOWN = 5


@dataclasses.dataclass
class Evidence:
    """What is known after a run.

    Attributes:
        total: Number of trials that were asked for.
        trials: As bare Optuna reads them.
        attempts: Every evaluation.
        lives: Every start of a worker.
        struck: Every fault.
        left: Processes that still ran when every worker had exited.
        logs: The workers' output.
        secrets: Passwords.
        missing: Number of planned faults that were not inflicted.
        given_up: Why the run was ended before every worker had exited by itself; empty if it was not.
    """

    total: int
    trials: list[FrozenTrial]
    attempts: list[Attempt]
    lives: list[Life]
    struck: list[Struck]
    left: list[str]
    logs: list[Path]
    secrets: list[str]
    missing: int
    given_up: str


@dataclasses.dataclass
class Promise:
    """A promise, and what was found.

    Attributes:
        text: What is promised.
        counted: What was looked at, in figures.
        broken: Where it is broken, in words.
    """

    text: str
    counted: str
    broken: list[str]


def judge(evidence: Evidence) -> list[Promise]:
    """Return every promise with what was found."""
    return [
        _total(evidence),
        _own_failures(evidence),
        _values(evidence),
        _one_author(evidence),
        _repeats(evidence),
        _exits(evidence),
        _stops(evidence),
        _orphans(evidence),
        _tracebacks(evidence),
        _passwords(evidence),
        Promise(
            "(of this benchmark) every planned fault was inflicted",
            f"{evidence.missing} left out",
            [f"the study was over before {evidence.missing} of them"] * (evidence.missing > 0),
        ),
    ]


def _total(evidence: Evidence) -> Promise:
    broken = [evidence.given_up] if evidence.given_up else []
    states = collections.Counter(trial.state.name for trial in evidence.trials)
    if len(evidence.trials) != evidence.total:
        broken.append(f"{len(evidence.trials)} trials of {evidence.total}")
    broken += [f"trial {t.number} is {t.state.name}" for t in evidence.trials if not t.state.is_finished()]
    counted = ", ".join(f"{count} {name}" for name, count in sorted(states.items()))
    return Promise(f"the workers end with exactly {evidence.total} trials, all finished", counted, broken)


def _own_failures(evidence: Evidence) -> Promise:
    failed = [trial for trial in evidence.trials if trial.state == TrialState.FAIL]
    broken = []
    for trial in failed:
        reason = REASON.get(trial, "no reason")
        if OWN_FAILURE not in reason or not fails(trial.params):
            broken.append(f"trial {trial.number} failed: {reason}")
    broken += [
        f"trial {trial.number} did not fail, and its objective does"
        for trial in evidence.trials
        if trial.state == TrialState.COMPLETE and fails(trial.params)
    ]
    return Promise("no FAIL but the objective's own", f"{len(failed) - len(broken)} of its own", broken)


def _values(evidence: Evidence) -> Promise:
    compared, broken = 0, []
    for trial in evidence.trials:
        for what, found, expected in _recorded(trial):
            compared += len(expected)
            if found != expected:
                broken.append(f"trial {trial.number}, {what}: {found} instead of {expected}")
    return Promise("every value is the function's", f"{compared} values compared", broken)


def _recorded(trial: FrozenTrial) -> Iterator[tuple[str, list[float], list[float]]]:
    """Yield what is recorded of a trial in several places, as it is and as it should be."""
    for step, values in rungs_of(trial).items():
        yield f"step {step}", values, list(table(trial.params, step).values())
    if trial.state == TrialState.COMPLETE:
        expected = table(trial.params)
        yield "values", list(trial.values), list(expected.values())
        metrics = METRICS.get(trial, {})
        yield "metrics", [metrics.get(name, float("nan")) for name in expected], list(expected.values())


def _one_author(evidence: Evidence) -> Promise:
    story = _Story(evidence)
    by_stamp = {attempt.stamp: attempt for attempt in evidence.attempts}
    ends = {(attempt.trial, attempt.end) for attempt in evidence.attempts}
    compared, broken = 0, []
    for trial in evidence.trials:
        if not trial.state.is_finished() or TWIN.of(trial) is not None:
            continue
        compared += 1
        if trial.state != TrialState.COMPLETE:
            end = "pruned" if trial.state == TrialState.PRUNED else "failed"
            if (trial.number, end) not in ends:
                broken.append(f"trial {trial.number} is {trial.state.name}, and no evaluation ended so")
            continue
        attempt = by_stamp.get(int(METRICS.get(trial, {}).get("stamp", -1)))
        claim = WORKER.get(trial, {})
        if attempt is None or attempt.trial != trial.number or attempt.end != "complete":
            broken.append(f"trial {trial.number} has the result of no evaluation of it")
        elif claim.get("pid") != attempt.pid and not (
            # Whoever took it over found the result, and did not evaluate it again.
            attempt is story.attempts[trial.number][-1] and story.explains(attempt)
        ):
            broken.append(
                f"trial {trial.number} has the result of {attempt.label}, process {attempt.pid},"
                f" and the claim of process {claim.get('pid')}"
            )
    return Promise("a result is of the worker that had the claim", f"{compared} trials compared", broken)


def _repeats(evidence: Evidence) -> Promise:
    story = _Story(evidence)
    repeats, broken = 0, []
    for trial, tries in story.attempts.items():
        for first, again in itertools.pairwise(tries):
            repeats += 1
            if not story.explains(first, again.begun):
                broken.append(
                    f"trial {trial}: {first.label} began it at {first.begun:.1f} ({first.end or 'no end'}),"
                    f" {again.label} at {again.begun:.1f}"
                )
    counted = f"{len(evidence.attempts)} evaluations of {len(story.attempts)} trials, {repeats} retried"
    return Promise("nothing is evaluated twice but what a fault interrupted", counted, broken)


class _Story:
    """Which attempts there were at each trial, in their order, and which faults met them."""

    def __init__(self, evidence: Evidence) -> None:
        self.attempts: dict[int, list[Attempt]] = collections.defaultdict(list)
        self._begun: dict[tuple[str, int], list[float]] = collections.defaultdict(list)
        self._struck: dict[str, list[Struck]] = collections.defaultdict(list)
        for attempt in sorted(evidence.attempts, key=lambda each: each.begun):
            self.attempts[attempt.trial].append(attempt)
            self._begun[attempt.label, attempt.pid].append(attempt.begun)
        for each in evidence.struck:
            self._struck[each.label].append(each)

    def explains(self, attempt: Attempt, taken: float = math.inf) -> bool:
        """Return whether a fault met the process of ``attempt`` at it, before others took it over.

        Args:
            attempt: An attempt.
            taken: When the next attempt at the trial began.
        """
        later = [begun for begun in self._begun[attempt.label, attempt.pid] if begun > attempt.begun]
        left = min(later, default=math.inf)  # when the process began another trial
        for struck in self._struck[attempt.label]:
            if struck.pid in (None, attempt.pid) and attempt.begun - 0.5 <= struck.at < left:
                # Of these nobody can know before the lease ends that it does not go on.
                patient = struck.kind.startswith(("SIGSTOP", "cable"))
                if taken >= struck.at + (LEASE_SECONDS - 1.5 * BEAT_SECONDS if patient else 0):
                    return True
        return False


def _exits(evidence: Evidence) -> Promise:
    struck = {each.label for each in evidence.struck if each.label and not each.kind.startswith("SIGSTOP")}
    statuses = collections.Counter(life.status for life in evidence.lives if life.ended is not None)
    broken = [
        f"{life.label} on {life.machine} ended with status {life.status}, and nothing had struck it"
        for life in evidence.lives
        if life.ended is not None and life.status != 0 and life.label not in struck
    ]
    counted = ", ".join(f"{count} × {status}" for status, count in sorted(statuses.items()))
    return Promise("a command that no fault ends exits with 0", counted, broken)


def _stops(evidence: Evidence) -> Promise:
    asked = {each.label: each.at for each in evidence.struck if each.kind.startswith("SIGTERM")}
    others = {each.label for each in evidence.struck if not each.kind.startswith("SIGTERM")}
    seconds, broken = [0.0], []
    for life in evidence.lives:
        if life.label in asked and life.label not in others and life.ended is not None:
            seconds.append(life.ended - asked[life.label])
            if seconds[-1] > _EXIT_SECONDS + _NOTICED_SECONDS:
                broken.append(f"{life.label} took {seconds[-1]:.1f} s to exit")
    counted = f"{len(seconds) - 1} commands, at most {max(seconds):.1f} s"
    return Promise(f"SIGTERM ends a command within {_EXIT_SECONDS:.0f} s", counted, broken)


def _orphans(evidence: Evidence) -> Promise:
    ended = {life.label: life.ended for life in evidence.lives if life.ended is not None}
    latest: dict[str, float] = {}
    for attempt in evidence.attempts:
        if attempt.label in ended:
            after = attempt.begun - ended[attempt.label]
            latest[attempt.label] = max(after, latest.get(attempt.label, 0.0))
    broken = [
        f"{label} began a trial {after:.1f} s after its command was dead"
        for label, after in latest.items()
        if after > BEAT_SECONDS
    ]
    broken += [f"still there in the end: {process}" for process in evidence.left]
    counted = (
        f"{len(ended)} commands, the last trial after one's death: {max(latest.values(), default=0):.1f} s"
    )
    return Promise("a dead command's processes begin no trial", counted, broken)


def _tracebacks(evidence: Evidence) -> Promise:
    broken = []
    for path in evidence.logs:
        text = path.read_text(errors="replace")
        if "Traceback (most recent call last)" in text:
            last = [line for line in text.splitlines() if line and not line[0].isspace()][-1]
            broken.append(f"{path.name}: {last[:150]}")
    return Promise("no traceback in any log", f"{len(evidence.logs)} logs read", broken)


def _passwords(evidence: Evidence) -> Promise:
    broken = [
        path.name
        for path in evidence.logs
        if any(secret in path.read_text(errors="replace") for secret in evidence.secrets)
    ]
    return Promise("no password in any log", f"{len(evidence.logs)} logs read", broken)


def delays(struck: Sequence[Struck], attempts: Sequence[Attempt], lives: Sequence[Life]) -> dict[str, float]:
    """Return by how many seconds each kind of outage was over when the next trial began, at the longest.

    For a cable that is the next trial on the machine behind it.
    """
    machine = {life.label: life.machine for life in lives}
    longest: dict[str, float] = {}
    for outage in struck:
        if outage.label or outage.until is None:
            continue
        after = [
            attempt.begun - outage.until
            for attempt in attempts
            if attempt.begun >= outage.until and outage.machine in ("", machine[attempt.label])
        ]
        if after:
            longest[outage.kind] = max(longest.get(outage.kind, 0.0), min(after))
    return longest


def shown(broken: Sequence[str]) -> list[str]:
    """Return the first few places where a promise is broken, and how many more there are."""
    more = len(broken) - _SHOWN
    return [*broken[:_SHOWN], *([f"and {more} more"] if more > 0 else [])]
