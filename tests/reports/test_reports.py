"""What people see of a study: tables, files and figures."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState
from rich.console import Console, RenderableType

from optnas import UserError
from optnas.reports.figures import front_figure, write_figure
from optnas.reports.front_table import FrontTable
from optnas.reports.numbers import short
from optnas.reports.records import as_csv, as_record
from optnas.reports.terminal import StudiesView, trial_view
from optnas.shown import duration
from optnas.trials.progress import front
from optnas.trials.record import ARCHITECTURE, COSTS, METRICS, REASON


@pytest.fixture
def study() -> optuna.Study:
    """Four trials, of which two are on the front, one is dominated and one was pruned."""
    made = optuna.create_study(study_name="seen", directions=["maximize", "minimize"])
    made.set_metric_names(["accuracy", "flops"])
    for values in ((0.9, 1e4), (0.97, 2.5e6), (0.8, 3e6), None):
        trial = made.ask()
        trial.suggest_int("width", 1, 64)
        ARCHITECTURE.put(trial, f"seq(conv(16), {'norm, relu, ' * 20}head)")
        if values is None:
            REASON.put(trial, "not among the best at rung 1")
            made.tell(trial, state=TrialState.PRUNED)
        else:
            COSTS.put(trial, {"flops": values[1], "params": 123})
            METRICS.put(trial, {"seconds": 1.5, "accuracy": values[0]})
            made.tell(trial, values)
    return made


def printed(what: RenderableType, width: int = 80) -> list[str]:
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(what)
    return [line.rstrip() for line in console.export_text().splitlines()]


def test_rows_that_do_not_fit_are_counted(study: optuna.Study) -> None:
    lines = printed(FrontTable(study, front(study), most_rows=1, notes=False))
    assert len(lines) == 3
    assert lines[-1].strip() == "… and 1 more"


def test_a_study_s_view_counts_every_state_and_says_its_best(study: optuna.Study) -> None:
    text = "\n".join(printed(StudiesView([study])))
    for told in ("seen", "3 complete", "1 pruned", "0 failed", "2 on the front", "best 0.97"):
        assert told in text


def test_a_study_s_view_says_why_trials_are_pruned_that_no_pruner_stopped(study: optuna.Study) -> None:
    assert "break" not in "\n".join(printed(StudiesView([study])))
    made = study.ask()
    made.set_user_attr("reason", "breaks 'params <= 9' with params = 12")
    made.set_constraint("params <= 9", 3.0)
    study.tell(made, state=TrialState.PRUNED)
    said = " ".join(" ".join(printed(StudiesView([study]))).split())
    assert f"1 breaks a constraint, last trial {made.number}: breaks 'params <= 9' with params = 12" in said


@pytest.mark.parametrize(
    ("terminal", "width", "height", "studies", "charts"),
    [
        (True, 100, 40, 1, 1),
        (True, 100, 60, 2, 2),
        (True, 100, 26, 2, 0),
        (True, 60, 40, 1, 0),
        (False, 100, 40, 1, 0),
    ],
)
def test_a_wide_terminal_shows_a_chart_of_each_front_where_all_have_room(
    study: optuna.Study, terminal: bool, width: int, height: int, studies: int, charts: int
) -> None:
    out = io.StringIO()
    console = Console(width=width, height=height, file=out, force_terminal=terminal, color_system=None)
    console.print(StudiesView([study] * studies))
    assert out.getvalue().count("● front") == charts
    assert len(out.getvalue().splitlines()) < height


@pytest.mark.parametrize("names", [["accuracy"], ["accuracy", 2], {"accuracy": 1}, "ab", 3])
def test_malformed_names_of_objectives_are_left_out(study: optuna.Study, names: object) -> None:
    study._storage.set_study_system_attr(study._study_id, "study:metric_names", names)
    for what in (StudiesView([study]), trial_view(study, study.trials[0]), FrontTable(study, front(study))):
        assert "value 1" in "\n".join(printed(what))


def test_a_trial_s_view_says_why_it_ended(study: optuna.Study) -> None:
    text = "\n".join(printed(trial_view(study, study.trials[3])))
    assert "pruned: not among the best at rung 1" in text
    assert "accuracy" not in text
    assert "params = 123" in "\n".join(printed(trial_view(study, study.trials[0])))


def test_records_are_plain_data(study: optuna.Study) -> None:
    record = as_record(study, study.trials[0])
    assert record["values"] == {"accuracy": 0.9, "flops": 1e4}
    assert record["costs"]["params"] == 123
    assert "reason" not in record
    assert as_record(study, study.trials[3])["reason"] == "not among the best at rung 1"
    rows = list(csv.DictReader(io.StringIO(as_csv(study, front(study)))))
    assert [(row["number"], float(row["accuracy"]), row["params"]) for row in rows] == [
        ("1", 0.97, "123"),
        ("0", 0.9, "123"),
    ]
    assert rows[0]["width"] == str(study.trials[1].params["width"])


def test_the_figure_shows_every_complete_trial_with_wide_costs_on_a_logarithmic_axis(
    study: optuna.Study, tmp_path: Path
) -> None:
    figure = front_figure(study)
    every, best = figure.data
    assert sorted(every.x) == [1e4, 2.5e6, 3e6]
    assert list(best.x) == [1e4, 2.5e6]
    assert figure.layout.xaxis.type == "log"
    assert figure.layout.xaxis.tickformat == "~s"
    assert figure.layout.yaxis.type is None
    write_figure(figure, tmp_path / "front.html")
    assert "3 trained architectures" in (tmp_path / "front.html").read_text()
    with pytest.raises(UserError, match=r"\.html, \.svg, \.png or \.pdf"):
        write_figure(figure, tmp_path / "front.gif")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, which has no space left")
def test_a_figure_that_a_full_disk_does_not_take_is_told_by_its_name(tmp_path: Path) -> None:
    study = optuna.create_study(directions=["maximize", "minimize"])
    study.add_trial(optuna.trial.create_trial(values=[0.9, 100.0]))
    (tmp_path / "front.html").symlink_to("/dev/full")
    with pytest.raises(UserError, match=r"front\.html cannot be written: No space left on device"):
        write_figure(front_figure(study), tmp_path / "front.html")


def test_what_cannot_be_drawn_says_so() -> None:
    with pytest.raises(UserError, match="one objective; a front needs two"):
        front_figure(optuna.create_study())
    with pytest.raises(UserError, match="no complete trial yet"):
        front_figure(optuna.create_study(directions=["minimize", "minimize"]))


@pytest.mark.parametrize(
    ("value", "said"),
    [(0.98607, "0.9861"), (921_760, "921.8 k"), (20.0, "20"), (1.23e6, "1.23 M"), (None, "–")],
)
def test_a_number_is_said_in_a_few_digits(value: float | None, said: str) -> None:
    assert short(value) == said


@pytest.mark.parametrize(("seconds", "said"), [(100, "0:01:40"), (7_262.4, "2:01:02"), (None, "–")])
def test_a_time_span_is_said_in_hours_minutes_and_seconds(seconds: float | None, said: str) -> None:
    assert duration(seconds) == said
