"""The table of a front: what differs between its trials, within the width of the terminal."""

from __future__ import annotations

import io
from typing import Any

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.trial import create_trial
from rich.console import Console

from optnas.reports.front_table import FrontTable
from optnas.reports.terminal import trial_view
from optnas.trials.progress import front
from optnas.trials.record import ARCHITECTURE, COSTS

BETA = 1.0046925739228212


def made_study(trials: int, *, layers: int = 3) -> optuna.Study:
    """A study of which every trial is on the front, with conditional parameters and measured costs."""
    study = optuna.create_study(study_name="seen", directions=["maximize", "minimize"])
    study.set_metric_names(["accuracy", "flops"])
    for number in range(trials):
        depth = 1 + number % layers
        params: dict[str, Any] = {"layers": depth, "optimizer": "adam", "lr": 0.00123456 * (number + 1)}
        for layer in range(depth):
            params[f"layer{layer}.op"] = ["conv", "sepconv"][(number + layer) % 2]
            params[f"layer{layer}.activation.beta"] = BETA + number
        text = f"seq({', '.join([f'swish(beta={BETA + number})'] * depth)}, head)"
        latency = 2.34567 if number else 1.23456
        costs = {"flops": 1000.0 + number, "macs": 500.0, "params": 10 + number, "latency_ms": latency}
        add(
            study,
            params,
            (0.5 + number / 1000, 1000.0 + number),
            {ARCHITECTURE.name: text, COSTS.name: costs},
        )
    return study


def add(
    study: optuna.Study,
    params: dict[str, Any],
    values: tuple[float, float],
    attributes: dict[str, Any] | None = None,
) -> None:
    distributions = {
        name: CategoricalDistribution([value]) if isinstance(value, str) else FloatDistribution(0, 100)
        for name, value in params.items()
    }
    made = {"params": params, "distributions": distributions, "user_attrs": attributes}
    study.add_trial(create_trial(values=values, **made))


def printed(study: optuna.Study, width: int) -> list[str]:
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(FrontTable(study, front(study)))
    return [line.rstrip() for line in console.export_text().splitlines()]


@pytest.mark.parametrize("width", [80, 120, 160])
@pytest.mark.parametrize("trials", [2, 5, 40])
def test_the_table_shows_what_differs_within_the_width_and_cuts_architectures_alone(
    trials: int, width: int
) -> None:
    lines = printed(made_study(trials), width)
    text = "\n".join(lines)
    header, *rows = lines[1 : trials + 2]
    for name in ("accuracy ↑", "flops ↓", "params", "latency_ms", "lr"):
        assert name in header
    assert [int(row.split()[0]) for row in rows] == list(reversed(range(trials)))
    assert all(len(line) <= width for line in lines)
    assert "the same in all: optimizer=adam" in text
    assert "adam" not in "\n".join(rows)
    assert "macs" not in text
    assert all("…" not in row.rstrip("…") for row in rows)


def test_a_wider_terminal_has_more_columns_and_a_narrow_one_says_how_many_it_lacks() -> None:
    study = made_study(5, layers=5)
    narrow, wide = printed(study, 80), printed(study, 300)
    told = "not fit; optnas show TRIAL and optnas pareto --csv print all"
    assert f"more columns do {told}" in "\n".join(narrow)
    assert "not fit" not in "\n".join(wide)
    assert len("".join(wide[:2]).split()) > len("".join(narrow[:2]).split())


def test_of_a_single_trial_everything_is_said_below_its_values() -> None:
    *_, header, row, first, second = printed(made_study(1), 200)
    assert header.split() == ["trial", "accuracy", "↑", "flops", "↓"]
    assert row.split() == ["0", "0.5000", "1,000"]
    assert first.startswith("with: params=10, latency_ms=1.235, layers=1, optimizer=adam, lr=0.001235")
    assert second == "architecture: seq(swish(beta=1.005), head)"


def test_people_read_four_digits_wherever_a_trial_is_shown() -> None:
    study = made_study(3)
    console = Console(width=300, record=True, file=io.StringIO())
    console.print(FrontTable(study, front(study)), trial_view(study, study.trials[0]))
    text = console.export_text()
    assert "1.005" in text
    assert "0.001235" in text
    assert "1.00469" not in text
    assert "0.00123456" not in text
    assert "1.23456" not in text


def test_a_parameter_that_hardly_differs_gives_way_to_one_that_does() -> None:
    study = optuna.create_study(directions=["maximize", "minimize"])
    for number in range(8):
        params = {"hardly." + "x" * 30: "b" if number else "a", "much." + "y" * 30: str(number)}
        add(study, params, (number, number))
    text = "\n".join(printed(study, 70))
    assert "y" * 30 in text
    assert "x" * 30 not in text
    assert "1 more column does not fit;" in text


@pytest.mark.parametrize("width", [30, 80, 120, 140])
def test_the_number_that_other_commands_take_is_never_dropped(width: int) -> None:
    study = optuna.create_study(directions=["minimize", "minimize"])
    study.set_metric_names(["pixels", "flops"])
    for number in range(3):
        block = f"seq(conv({4 + number}, stride=2), norm, relu)"
        attributes = {ARCHITECTURE.name: f"seq({', '.join([block] * 4)}, flatten, linear(4))"}
        params = {f"layer{i}.width": str(number) for i in range(3)}
        add(study, params, (float(number), 100.0 - number), attributes)
    lines = printed(study, width)
    header = next(line for line in lines if "trial" in line)
    rows = lines[lines.index(header) + 1 :][:3]
    assert header.startswith("trial")
    assert [row.split()[0] for row in rows] == ["0", "1", "2"]
    assert all(len(line) <= width for line in lines)
    if "architecture" in header:
        assert all(row.endswith("…") for row in rows)
    assert ("architecture" in header) == (width >= 120)


def test_objectives_that_do_not_fit_are_counted_while_the_trial_stays() -> None:
    study = made_study(3)
    lines = printed(study, 10)
    assert lines[0].split() == ["trial"]
    assert "do not fit;" in " ".join(" ".join(lines).split())


def test_long_options_that_begin_alike_are_told_apart() -> None:
    study = optuna.create_study(directions=["maximize", "minimize"])
    for number, kind in enumerate(("relu", "tanh")):
        add(study, {"block": f"seq(linear(16), norm, {kind})"}, (number, number))
    text = "\n".join(printed(study, 80))
    assert "…relu)" in text
    assert "…tanh)" in text


def test_of_a_graph_with_many_edges_a_few_are_shown() -> None:
    study = optuna.create_study(directions=["maximize", "minimize"])
    edges = tuple((i, i + 1) for i in range(500))
    text = f"seq(graph_conv(8, edges={edges}), relu)"
    add(study, {"width": "8", "edges": str(edges)}, (1.0, 1.0), {ARCHITECTURE.name: text})
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(FrontTable(study, front(study)), trial_view(study, study.trials[0]))
    shown = " ".join(console.export_text().split())
    assert shown.count("graph_conv(8, edges=((0, 1), (1, 2), (2, 3), … 497 more)), relu)") == 2
    assert "(100, 101)" not in shown
    assert ARCHITECTURE.of(study.trials[0]) == text


def test_none_as_the_loss_is_the_task_s_own_and_no_choice_is_a_dash() -> None:
    study = optuna.create_study(directions=["maximize", "minimize"])
    choices = CategoricalDistribution([None, "focal"])
    for number, params in enumerate(({"loss": None}, {"loss": "focal"}, {})):
        distributions = dict.fromkeys(params, choices)
        study.add_trial(create_trial(values=[number, number], params=params, distributions=distributions))
    _, *rows = printed(study, 80)
    assert [row.split()[3:] for row in rows[:3]] == [["–"], ["focal"], ["the", "task's", "own"]]
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(trial_view(study, study.trials[0]))
    assert "loss = the task's own" in console.export_text()
