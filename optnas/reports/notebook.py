"""HTML of studies, fronts and candidates, for notebooks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING

import optuna
from optuna.trial import FrozenTrial, TrialState

from optnas.reports.about import about
from optnas.reports.chart import charts_of
from optnas.reports.chart_svg import chart_svg
from optnas.reports.front_table import FrontTable
from optnas.reports.numbers import choice_text, readable, share, short
from optnas.reports.records import Equal
from optnas.reports.running import done_first, running_told
from optnas.shown import duration, one_line, plain
from optnas.space import Node, SpaceError
from optnas.space.size import combinations
from optnas.trials.progress import Progress, equal_to, front
from optnas.trials.record import ARCHITECTURE
from optnas.trials.states import LEARNED_NOTHING

if TYPE_CHECKING:
    from optnas.candidate import Candidate
    from optnas.study import Study

__all__ = ["candidate_html", "front_html", "progress_html", "study_html"]

# Drawings beside each other; the table has all trials.
_MOST_DRAWN = 6
# The width of the table, in characters.
_TABLE_CELLS = 130
_BOX = (
    "color-scheme:light dark;background:Canvas;color:CanvasText;font:14px/1.5 sans-serif;"
    "padding:8px 12px;border-radius:6px;overflow-x:auto"
)


def _text(text: str) -> str:
    """Return a stranger's text as HTML that shows it: no tags, no control characters."""
    return escape(plain(text), quote=True)


def _boxed(parts: Iterable[str]) -> str:
    # As drawings are, it is dark where the reader's system is: the ground must go with them.
    return f'<div style="{_BOX}">{"".join(parts)}</div>'


def progress_html(study: optuna.Study, progress: Progress, title: str) -> str:
    """Return the progress of a study's run: what the terminal's live view says."""
    nothing = f" · {progress.learned_nothing} {LEARNED_NOTHING}" if progress.learned_nothing else ""
    counts = (
        f"{progress.complete} complete · {progress.pruned} pruned{nothing} · {progress.failed} failed"
        f" · {progress.running} running"
    )
    facts = (
        f"{progress.rate:,.0f} trials/h · {duration(progress.seconds_left)} left · hypervolume"
        f" {share(progress.hypervolume)}"
    )
    if progress.sampler_share is not None:
        facts += f" · sampler {progress.sampler_share:.0%}"
    if progress.hypervolume_lacks is not None:
        facts += f" ({_text(progress.hypervolume_lacks)})"
    parts = [
        f"<b>{_text(title)}</b><br>",
        f'<progress value="{progress.finished}" max="{progress.total}" style="width:220px"></progress>',
        f" <b>{progress.finished}</b>/{progress.total} trials · {counts}<br>{facts}",
    ]
    parts += [f"<div>{_text(line)}</div>" for line in done_first(study)]
    parts += [f"<div>{_text(line)}</div>" for line in running_told(study, progress.trials)]
    if progress.last_failure is not None:
        trial, reason, times = progress.last_failure
        often = "" if times == 1 else f" {times} times"
        parts.append(_told("#c0392b", f"failed{often}, last trial {trial.number}: {one_line(reason)}"))
    if progress.last_infeasible is not None:
        trial, reason, kinds = progress.last_infeasible
        told = f"{progress.pruned} pruned: {', '.join(kinds)}, last trial {trial.number}: {one_line(reason)}"
        parts.append(_told("#a86a00", told))
    parts += [_charts(study, progress.trials, progress.front), _table(study, progress.front, progress.equal)]
    return _boxed(parts)


def _told(colour: str, text: str) -> str:
    return f'<div style="color:{colour}">{_text(text)}</div>'


def front_html(
    study: optuna.Study,
    trials: list[FrozenTrial],
    best: list[FrozenTrial],
    equal: Mapping[int, Sequence[int]],
) -> str:
    """Return a study's front: a chart, a table, and the drawings of some of its architectures."""
    return _boxed(_front(study, trials, best, equal))


def _front(
    study: optuna.Study,
    trials: list[FrozenTrial],
    best: list[FrozenTrial],
    equal: Mapping[int, Sequence[int]],
) -> list[str]:
    return [_charts(study, trials, best), _table(study, best, equal), _drawings(study, best)]


def _charts(study: optuna.Study, trials: Sequence[FrozenTrial], best: list[FrozenTrial]) -> str:
    drawn = "".join(chart_svg(chart) for chart in charts_of(study, trials, best))
    return f'<div style="display:flex;flex-wrap:wrap">{drawn}</div>' if drawn else ""


def _table(study: optuna.Study, best: list[FrozenTrial], equal: Equal) -> str:
    if not best:
        return ""
    headings, *rows = FrontTable(study, best, equal=equal).cells(_TABLE_CELLS)
    head = _row("th", headings)
    body = "".join(_row("td", row) for row in rows)
    return (
        '<table style="border-collapse:collapse;font-variant-numeric:tabular-nums">'
        f"<thead>{head}</thead><tbody>{body}</tbody></table>"
    )


def _row(kind: str, cells: Iterable[str]) -> str:
    style = "padding:1px 12px 1px 0;text-align:left;white-space:nowrap"
    return "<tr>" + "".join(f'<{kind} style="{style}">{_text(cell)}</{kind}>' for cell in cells) + "</tr>"


def _drawings(study: optuna.Study, best: list[FrozenTrial]) -> str:
    """Return drawings of trials of the front, from its one end to the other."""
    if len(best) > _MOST_DRAWN:
        best = [best[i * (len(best) - 1) // (_MOST_DRAWN - 1)] for i in range(_MOST_DRAWN)]
    found = []
    for trial in best:
        drawing = _drawn(study, trial)
        if drawing is not None:
            told = f'<figcaption style="opacity:.75">trial {trial.number}</figcaption>'
            found.append(f'<figure style="margin:8px 16px 0 0">{told}{drawing}</figure>')
    return f'<div style="display:flex;overflow-x:auto">{"".join(found)}</div>' if found else ""


def _drawn(study: optuna.Study, trial: FrozenTrial) -> str | None:
    from optnas.drawing.reading import read

    text, known = ARCHITECTURE.of(trial), about(study)
    if text is None:
        return None
    try:
        svg: str = read(text).draw(known.shape, **(known.context or {})).svg
    except SpaceError:  # what is recorded is no architecture
        return None
    return svg


def study_html(study: Study, opened: optuna.Study | None) -> str:
    """Return what a study searches, and of one that was opened its trials so far and its front."""
    facts = {
        "searches": f"{short(combinations(study.space))} architectures",
        "for": ", ".join(f"{'max' if o.sign < 0 else 'min'}imal {o.name}" for o in study.objectives),
        "where": ", ".join(limit.name for limit in study.constraints),
        "by": f"{_named(study.sampler)}, pruning: {_named(study.pruner)}",
    }
    parts = [f"<b>Study {_text(study.name)}</b>", *_facts(facts), _folded("its space", study.space)]
    if opened is not None:
        trials = opened.get_trials(deepcopy=False)
        best = front(opened, trials)
        complete = sum(trial.state == TrialState.COMPLETE for trial in trials)
        parts.append(f"<div>{len(trials)} trials, {complete} complete, {len(best)} on the front</div>")
        parts += _front(opened, trials, best, equal_to(best, trials))
    return _boxed(parts)


def candidate_html(candidate: Candidate) -> str:
    """Return a candidate's drawing, costs and parameters."""
    costs = ", ".join(f"{name} {short(value)}" for name, value in candidate.costs.items())
    params = ", ".join(f"{name} = {choice_text(name, value)}" for name, value in candidate.params.items())
    facts = {"architecture": readable(str(candidate.architecture)), "costs": costs, "parameters": params}
    return _boxed([candidate.architecture.draw().svg, *_facts(facts | {"seed": str(candidate.seed)})])


def _facts(facts: Mapping[str, str]) -> Iterator[str]:
    for what, told in facts.items():
        if told:
            yield f'<div><span style="opacity:.75">{what}</span> {_text(told)}</div>'


def _folded(what: str, tree: Node) -> str:
    return f'<details><summary style="opacity:.75">{what}</summary>{tree.draw().svg}</details>'


def _named(strategy: object) -> str:
    return "none" if strategy is None else strategy if isinstance(strategy, str) else type(strategy).__name__
