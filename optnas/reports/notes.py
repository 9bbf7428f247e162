"""Notes in Markdown, of a trial and of a study, for whoever opens their pages in optuna-dashboard."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence

import optuna
from optuna.trial import FrozenTrial, TrialState

from optnas.reports.about import About
from optnas.reports.commands import command
from optnas.reports.figures.curves import curve_of
from optnas.reports.front_table import architecture_of, objective_names
from optnas.reports.layers import layer_lines
from optnas.reports.markdown import as_block, as_code, as_table, as_text
from optnas.reports.numbers import exact, readable, share, short
from optnas.trials.lineage import promotes
from optnas.trials.progress import front
from optnas.trials.record import ARCHITECTURE, COSTS, LEARNED, METRICS, REASON, RUN, TWIN, constraints_of
from optnas.trials.states import counted, state_of
from optnas.trials.volume import hypervolume

__all__ = ["study_note", "trial_note"]

# optuna-dashboard reads all notes of a study at each refresh.
_MOST_CHARACTERS = 4000
_WIDTH = 88
_MOST_ROWS = 25
_MOST_IN_CELL = 70
_MOST_OF_SPACE = 1800
_RAISED = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
_PARTS = {"train": "training"}


def trial_note(study: optuna.Study, trial: FrozenTrial, about: About) -> str:
    """Return the note of a finished trial: why it ended, its values, costs, curve and architecture.

    The architecture is a table of its layers as text: optuna-dashboard shows no picture in a note, unless it
    was started with an artifact store.

    Args:
        study: The study.
        trial: The trial.
        about: What the study's record says of its file.
    """
    names = objective_names(study)
    parts = [_ending(trial)]
    if trial.values is not None:
        parts.append(_in_a_row(dict(zip(names, trial.values, strict=True)), bold=True))
    beside = {name: value for kind in (COSTS, METRICS) for name, value in kind.get(trial, {}).items()}
    beside = {name: value for name, value in beside.items() if trial.values is None or name not in names}
    if beside:
        parts.append(_in_a_row(beside))
    curve = curve_of(trial, about.training or {})
    if len(curve) > 1 or (curve and trial.values is None):
        parts.append(_curve(names, curve, COSTS.get(trial, {})))
    kept = [f"{as_text(name)}: broken by {v:.3g}" for name, v in constraints_of(trial).items() if v > 0]
    if kept:
        parts.append("Constraints: " + ", ".join(kept))
    room = _MOST_CHARACTERS - sum(map(len, parts)) - 200
    parts += _architecture(trial, about, room)
    if ARCHITECTURE.of(trial) is not None and about.task is not None:
        train = command(study, "train", about.file or "FILE", "--trial", trial.number)
        parts.append(f"Train it in full: {as_code(train)}")
    return "\n\n".join(parts)


def _ending(trial: FrozenTrial) -> str:
    what = f"**{state_of(trial).capitalize()}**"
    if (reason := REASON.of(trial)) is not None:
        what += f": {as_text(' '.join(reason.split()))}"
    if (twin := TWIN.of(trial)) is not None:
        return f"{what}. It has the values of trial {twin}, which trained the same network in the same way."
    seconds, device = METRICS.get(trial, {}).get("seconds"), RUN.get(trial, {}).get("device")
    took = (
        "" if seconds is None else f" after {short(seconds)} s" + (f" on {as_text(device)}" if device else "")
    )
    if (paused := promotes(trial)) is not None:
        took += f"; it went on with trial {paused}, which was paused"
    return f"{what}{took}." if trial.state == TrialState.COMPLETE else what


def _in_a_row(figures: Mapping[str, float], *, bold: bool = False) -> str:
    # A line breaks between figures where it is too long; a table would stick out.
    mark = "**" if bold else ""
    return "&emsp; ".join(f"{mark}{as_text(name)}&nbsp;{exact(v)}{mark}" for name, v in figures.items())


def _curve(names: Sequence[str], curve: Mapping[int, Sequence[float]], costs: Mapping[str, float]) -> str:
    """Return the learning curve of each objective that training changes, by epoch."""
    rows = []
    for name, values in zip(names, zip(*curve.values(), strict=False), strict=False):
        # A metric that stays the same is told as well: it is why the trial is no good.
        if name not in costs or len(set(values)) > 1 or len(curve) == 1:
            rows.append([as_text(name), *map(_unbroken, values)])
    return _spaced(["after", *(f"{step}" for step in curve)], rows)


def _architecture(trial: FrozenTrial, about: About, room: int) -> Iterator[str]:
    text = LEARNED.of(trial) or ARCHITECTURE.of(trial)
    if text is None:
        return
    lines = layer_lines(text, about.shape, about.context or {}, _WIDTH)
    if lines is None:
        yield _wrapping(text, room)
        return
    while sum(map(len, lines)) + len(lines) > room and len(lines) > 1:
        lines = [*lines[:-2], "…"]
    yield as_block("\n".join(lines))


def study_note(study: optuna.Study, trials: Sequence[FrozenTrial], about: About, place: str) -> str:
    """Return the note of a study: what is searched, the front, how to go on.

    Args:
        study: The study.
        trials: Its trials.
        about: What its record says of its file.
        place: The path of its page in optuna-dashboard, such as ``/dashboard/studies/1``.
    """
    best = front(study, list(trials))
    parts = [_searched(study, about), _counted(study, trials, best)]
    if best:
        parts.append(_front(study, best, place))
    file = about.file or "FILE"
    words: list[tuple[object, ...]] = [
        ("run", file, "--trials", len(trials) + 100),
        ("dashboard",),
        ("pareto", study.study_name),
    ]
    if best and about.task is not None:
        words.append(("train", file, "--trial", best[0].number))
    parts.append("To go on:\n\n" + as_block("\n".join(command(study, *each) for each in words)))
    if about.space is not None:
        parts.append(f"The space: {_wrapping(about.space, _MOST_OF_SPACE)}")
    return "\n\n".join(parts)


def _searched(study: optuna.Study, about: About) -> str:
    directions = [direction.name.lower() for direction in study.directions]
    aims = " and ".join(
        f"{how} {as_text(name)}" for how, name in zip(directions, objective_names(study), strict=True)
    )
    # Alone, as optuna-dashboard's button to edit stands at the end of the first line.
    told = f"Neural architecture search by optnas.\n\nThe aim: {aims}"
    if about.constraints:
        told += f", with {', '.join(map(as_code, about.constraints))}"
    told += "."
    if about.task is not None:
        told += f" The networks do {as_text(about.task)} of the data set *{as_text(about.data)}*"
        counts = [
            f"{count:,} for {_PARTS.get(part, as_text(part))}"
            for part, count in (about.samples or {}).items()
            if count
        ]
        told += f" ({', '.join(counts)})." if counts else "."
    if about.size is not None:
        told += f" The space has {_many(about.size)} architectures, continuous choices apart."
    return told


def _many(size: float) -> str:
    if size < 1e9:
        return f"{size:,.0f}"
    power = math.floor(math.log10(size))
    return f"{size / 10**power:.1f} × 10{str(power).translate(_RAISED)}"


def _wrapping(text: str, room: int) -> str:
    """Return the text of an architecture or a space as code whose lines are as long as there is room."""
    told = " ".join(readable(text).split())
    return as_code(told if len(told) <= room else f"{told[: max(0, room - 1)]}…")


def _unbroken(value: float | None) -> str:
    """Return a number whose unit stays on its line."""
    return short(value).replace(" ", "\N{NO-BREAK SPACE}")


def _spaced(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table with space between its columns, which optuna-dashboard does not add."""
    return as_table([f"{cell}&emsp;" for cell in header], ([f"{cell}&emsp;" for cell in row] for row in rows))


def _counted(study: optuna.Study, trials: Sequence[FrozenTrial], best: Sequence[FrozenTrial]) -> str:
    told = ", ".join(f"{count:,} {state}" for state, count in counted(trials).items())
    volume = hypervolume(study, trials)
    of_ideal = "" if volume is None else f" Hypervolume {share(volume)} (1: an ideal trial)."
    return f"{len(trials):,} trials: {told or 'none'}. {len(best)} on the front.{of_ideal}"


def _front(study: optuna.Study, best: Sequence[FrozenTrial], place: str) -> str:
    names = objective_names(study)
    beside = [name for name in ("flops", "params") if name not in names]
    beside = [name for name in beside if any(name in COSTS.get(trial, {}) for trial in best)]
    rows = []
    for trial in best[:_MOST_ROWS]:
        costs, text = COSTS.get(trial, {}), architecture_of(trial)
        cut = text if len(text) <= _MOST_IN_CELL else f"{text[: _MOST_IN_CELL - 1]}…"
        values = [*trial.values, *(costs.get(name) for name in beside)]
        link = f"[{trial.number}]({place}/trials?numbers={trial.number})"
        rows.append([link, *map(_unbroken, values), as_code(cut)])
    head = ["trial", *map(as_text, [*names, *beside]), "architecture"]
    more = f"\n\n… and {len(best) - _MOST_ROWS} more (`optnas pareto`)" if len(best) > _MOST_ROWS else ""
    return _spaced(head, rows) + more
