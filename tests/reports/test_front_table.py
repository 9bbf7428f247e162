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
def test_the_table_shows_what_differs_within_the_width_and_cuts_nothing(trials: int, width: int) -> None:
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
    assert "…" not in text


def test_a_wider_terminal_has_more_columns_and_a_narrow_one_says_how_many_it_lacks() -> None:
    study = made_study(5, layers=5)
    narrow, wide = printed(study, 80), printed(study, 300)
    assert "more differ: optnas pareto --csv and optnas show TRIAL have all" in "\n".join(narrow)
    assert "more differ" not in "\n".join(wide)
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
    assert "one more differs" in text
