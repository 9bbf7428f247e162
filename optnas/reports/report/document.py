"""The page of a report, from top to bottom."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.metadata import version
from importlib.resources import files

import optuna

from optnas.reports.about import about
from optnas.reports.figures.web import POLICY, scripts
from optnas.reports.report.baselines import Baseline
from optnas.reports.report.markup import Markup, element, joined
from optnas.reports.report.sections import Reported, sections
from optnas.shown import plain

__all__ = ["report"]


def report(
    study: optuna.Study, baselines: Sequence[Baseline] | None = None, *, file: str | None = None
) -> str:
    """Return a study's report as a web page that needs no other file and no network.

    Args:
        study: The study.
        baselines: What simple models have; ``None`` if the study's file is not at hand.
        file: The study's file, for the commands that reproduce it; by default as recorded.
    """
    trials = study.get_trials(deepcopy=False)
    told = Reported(study, trials, about(study), baselines, file)
    body = joined(_sections(told))
    title = plain(study.study_name)
    head = joined(
        [
            Markup('<meta charset="utf-8">'),
            Markup(f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'),
            Markup('<meta name="viewport" content="width=device-width, initial-scale=1">'),
            Markup(f'<meta name="generator" content="optnas {version("optnas")}">'),
            element("title", f"{title}: report"),
            Markup(f"<style>{_file('style.css')}</style>"),
        ]
    )
    return f'<!DOCTYPE html>\n<html lang="en">\n<head>\n{head}\n</head>\n<body>\n{body}\n</body>\n</html>\n'


def _sections(told: Reported) -> Iterator[Markup]:
    main = joined(sections(told))
    yield element("main", main)
    if 'class="figure"' not in main:
        return
    yield Markup(scripts())


def _file(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")
