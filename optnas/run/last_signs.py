"""When the workers of running trials that stay silent were last heard of, for people."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator, Sequence

from optuna.trial import FrozenTrial, TrialState

from optnas.run.liveness import BEAT_SECONDS, claim_on, is_gone
from optnas.shown import duration, plain

__all__ = ["last_signs"]

# A beat or two may be late where the storage is slow.
_SILENT_SECONDS = 3 * BEAT_SECONDS
_MOST_NUMBERS = 8


def last_signs(trials: Sequence[FrozenTrial]) -> Iterator[str]:
    """Yield a line on the running trials of each machine whose workers are gone, or have been silent.

    It goes by the clock of the worker's machine and this one's, so it is for people alone: whether a trial is
    taken over, no clock decides (:mod:`optnas.run.liveness`).
    """
    found: dict[tuple[str, bool], list[tuple[int, float | None]]] = defaultdict(list)
    for trial in trials:
        claim = claim_on(trial) if trial.state == TrialState.RUNNING else None
        if claim is None:
            continue
        seen = claim.get("seen")
        silent = None if seen is None else max(0.0, time.time() - seen)
        gone = is_gone(claim)
        if gone or (silent is not None and silent > _SILENT_SECONDS):
            found[claim.get("host", "another machine"), gone].append((trial.number, silent))
    for (host, gone), signs in found.items():
        numbers = ", ".join(str(number) for number, _ in signs[:_MOST_NUMBERS])
        numbers += ", …" * (len(signs) > _MOST_NUMBERS)
        one = len(signs) == 1
        known = [silent for _, silent in signs if silent is not None]
        heard = f", last heard of {duration(min(known))} ago" if known else ""
        yield (
            f"{'trial' if one else 'trials'} {numbers}: {'worker' if one else 'workers'}"
            f" {'gone' if gone else 'silent'} on {plain(host)}{heard};"
            f" optnas run goes on with {'it' if one else 'them'}"
        )
