"""The command ``optnas choose``: choose a trial, say why, and how sure that is."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

import torch
from optuna.trial import FrozenTrial
from rich.console import Console
from rich.table import Table
from rich.text import Text

from optnas.errors import UserError
from optnas.measure.measuring import MEASURED, measure
from optnas.objectives import Objective
from optnas.reports.front_table import architecture_of
from optnas.reports.numbers import short, with_deviation
from optnas.run.files import load_study
from optnas.run.lookup import find_study
from optnas.run.notes import data_is_known
from optnas.study import Study
from optnas.train import default_device, fit, use_threads
from optnas.train.device import forked_random
from optnas.train.loop import Diverged
from optnas.winner.choosing import Choice, Option, best_within, knee, options

__all__ = ["choose_trial", "compared"]


def choose_trial(
    file: str,
    url: str,
    *,
    budgets: Sequence[str],
    at_knee: bool,
    repeats: int,
    threads: int | None,
    console: Console,
) -> int:
    """Choose a trial of the study that ``file`` declares, say why that one, and return its number.

    Args:
        file: The study file.
        url: The URL of the study's storage.
        budgets: Comparisons that it has to keep, such as ``"flops <= 1e6"``.
        at_knee: Whether to choose where the front bends, rather than what is best within the budgets.
        repeats: With how many more seeds to train it and its neighbours as the search did.
        threads: Threads to compute with.
        console: What it is said on.

    Raises:
        UserError: If there is no such trial, or neither budgets nor the knee are asked for.
    """
    if bool(budgets) == at_knee:
        raise UserError('say what to choose by: --budget "flops <= 1e6" (as often as you like), or --knee')
    if repeats < 0:
        raise UserError(f"--repeats {repeats}: it must be at least 0")
    data_is_known()
    study = load_study(file)
    if study.task is None:
        raise UserError(f"study {study.name!r} evaluates by a function of its own: there is no task to train")
    use_threads(threads)
    found = options(find_study(url, study.name).get_trials(deepcopy=False))
    if not found:
        raise UserError(f"study {study.name!r} has no complete trial yet: nothing to choose from")
    choice = _choice(study, found, budgets, at_knee, console)
    number = choice.option.trial.number
    console.print(Text.assemble((f"Trial {number}", "bold"), f": {choice.why}."))
    console.print(Text(architecture_of(choice.option.trial), style="dim"))
    shown = sorted({*choice.neighbours, choice.option}, key=choice.front.index)
    again = {option: _again(study, option.trial, repeats, console) for option in shown} if repeats else {}
    console.print(_table(choice, shown, again))
    for line in compared(choice, again):
        console.print(line)
    return number


def _choice(
    study: Study, found: Sequence[Option], budgets: Sequence[str], at_knee: bool, console: Console
) -> Choice:
    assert study.task is not None
    measured = set(study.task.metrics)
    best = next((each for each in study.objectives if each.metric.names & measured), study.objectives[0])
    if at_knee:
        return knee(found, study.objectives, best)

    def now(trial: FrozenTrial, names: Sequence[str]) -> Mapping[str, float]:
        candidate = study.candidate(trial.params, trial.number)
        assert study.task is not None
        with console.status(f"Measuring {', '.join(names)} of trial {trial.number}"):
            return measure(
                names,
                lambda: candidate.architecture.build(study.shape, **study.context),
                study.task,
                candidate.training,
                study.measuring,
            )

    return best_within(found, study.objectives, budgets, best, MEASURED, now)


def _again(study: Study, trial: FrozenTrial, repeats: int, console: Console) -> list[Mapping[str, float]]:
    """Train a trial's network as the search did, with other seeds, and return what is known of each."""
    assert study.task is not None
    candidate = study.candidate(trial.params, trial.number)
    costs = study.costs(candidate)
    device = default_device(candidate.training.device)
    found: list[Mapping[str, float]] = []
    for repeat in range(1, repeats + 1):
        # Far from those of the study's trials, which count up from its seed.
        seed = study.seed + trial.number + 1_000_003 * repeat
        with console.status(f"Trial {trial.number} again, seed {repeat} of {repeats}"), forked_random():
            torch.manual_seed(seed)
            module = candidate.architecture.build(study.shape, **study.context)
            try:
                metrics = fit(module, study.task, candidate.training, device=device, seed=seed)
            except Diverged:
                metrics = {}
        found.append({**costs, **metrics})
    return found


def _table(
    choice: Choice, shown: Sequence[Option], again: Mapping[Option, Sequence[Mapping[str, float]]]
) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    table.add_column("")
    table.add_column("trial", justify="right")
    for objective in choice.counts:
        table.add_column(objective.name, justify="right")
    for name in choice.limited:
        table.add_column(name, justify="right")
    if again:
        table.add_column(
            f"{choice.counts[0].name}, {_more_seeds(len(next(iter(again.values()))))}", justify="right"
        )
    for option in shown:
        mark = "→" if option is choice.option else ""
        figures = [_said(objective, option.figures) for objective in choice.counts]
        more = [_spread(choice.counts[0], again[option])] if again else []
        limited = [short(option.figures[name]) if name in option.figures else "–" for name in choice.limited]
        table.add_row(mark, str(option.trial.number), *figures, *limited, *more, style="bold" if mark else "")
    return table


def _more_seeds(count: int) -> str:
    return "1 more seed" if count == 1 else f"{count} more seeds"


def _said(objective: Objective, figures: Mapping[str, float]) -> str:
    try:
        return short(objective.metric(figures))
    except (KeyError, ArithmeticError):
        return "–"


def _values(objective: Objective, found: Sequence[Mapping[str, float]]) -> list[float]:
    return [objective.metric(each) for each in found if objective.metric.names <= each.keys()]


def _spread(objective: Objective, found: Sequence[Mapping[str, float]]) -> str:
    values = _values(objective, found)
    if not values:
        return "diverged"
    return with_deviation(statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else None)


def compared(choice: Choice, again: Mapping[Option, Sequence[Mapping[str, float]]]) -> list[str]:
    """Return a line for each neighbour: what it costs, and whether the difference may be chance."""
    best, *others = choice.counts
    lines = []
    for option in choice.neighbours:
        told = [
            f"{ratio} {each.name}" for each in others[:2] if (ratio := _ratio(each, choice.option, option))
        ]
        line = (
            f"Trial {option.trial.number} has {', '.join(told)}" if told else f"Trial {option.trial.number}"
        )
        ours, theirs = (_values(best, again.get(each, [])) for each in (choice.option, option))
        if len(ours) > 1 and len(theirs) > 1:
            apart = abs(statistics.fmean(ours) - statistics.fmean(theirs))
            error = (statistics.variance(ours) / len(ours) + statistics.variance(theirs) / len(theirs)) ** 0.5
            line += f"; the two differ in {best.name} by {short(apart)} (standard error {short(error)}), "
            line += (
                "more than seeds explain"
                if apart > 2 * error
                else "which may be chance: more than twice the error would hardly be"
            )
        lines.append(f"{line}.")
    if len(again) and any(len(found) == 1 for found in again.values()):
        lines.append("One seed says nothing of how sure that is: --repeats 3 does.")
    return lines


def _ratio(objective: Objective, ours: Option, theirs: Option) -> str:
    try:
        one, other = objective.metric(ours.figures), objective.metric(theirs.figures)
    except (KeyError, ArithmeticError):
        return ""
    if one <= 0 or other <= 0:
        return f"{short(other)} (here {short(one)})"
    factor = other / one
    if abs(factor - 1) < 0.005:
        return "the same"
    if factor < 0.1:  # "0.00 times" would say that it costs nothing
        return f"1/{1 / factor:,.0f} of the"
    return f"{factor:.2f} times the" if factor < 100 else f"{factor:,.0f} times the"
