"""Studies whose names, attributes and errors are texts of strangers, as every command shows them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import hypothesis.strategies as st
import optuna
import pytest
from hypothesis import example, given, settings
from optuna.storages import InMemoryStorage
from optuna.trial import TrialState, create_trial

from optnas.reports.figures import front_figure, write_figure
from optnas.trials.record import (
    ARCHITECTURE,
    CHECKPOINT,
    COSTS,
    EAGER,
    IGNORED,
    METRICS,
    REASON,
    RUN,
    TRACEBACK,
)
from tests.files import call

MARKUP = "[/data/train] [bold]:smile:[link=file:///etc]"
ESCAPES = "\x1b[2J\x1b]0;owned\x07\x9b31m\u202eabc\u2066\r\x7f"
PASSWORD = "postgresql://me:s3cret@host/d?sslpassword=s3cret"

# Control characters that no terminal may be sent, and overrides of the direction of writing.
_STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u2028\u2029\ud800-\udfff]")

hostile = st.one_of(
    st.sampled_from([MARKUP, ESCAPES, PASSWORD, "\x1b", "[", "[/]", "\\[x]", "\n", "\t"]),
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=30),
    st.text("[]/\\\x1b\x9b\n\r\t:;m=@'\"ab1", min_size=1, max_size=30),
)


def study_of(text: str, storage: optuna.storages.BaseStorage, name: str = "hostile") -> optuna.Study:
    """A study of three trials, everything in which is ``text``."""
    study = optuna.create_study(storage=storage, study_name=name, directions=["maximize", "minimize"])
    study.set_metric_names([text, f"2{text}"])
    text_attributes = (ARCHITECTURE, REASON, TRACEBACK, CHECKPOINT, EAGER)
    kinds = {
        COSTS: {text: 1.0, "flops": 2.0},
        METRICS: {text: 0.5, "seconds": 1.0},
        RUN: {text: text},
        IGNORED: {text: text},
    }
    for i, state in enumerate((TrialState.COMPLETE, TrialState.COMPLETE, TrialState.FAIL)):
        attributes = {kind.name: f"{text}{i}" for kind in text_attributes}
        attributes |= {kind.name: value for kind, value in kinds.items()}
        study.add_trial(
            create_trial(
                state=state,
                values=[i, i] if state == TrialState.COMPLETE else None,
                params={text: f"{text}{i}", "same": text},
                distributions={
                    text: optuna.distributions.CategoricalDistribution([f"{text}{i}" for i in range(3)]),
                    "same": optuna.distributions.CategoricalDistribution([text]),
                },
                user_attrs=attributes,
                constraints={text: 1.0} if i == 2 else None,
            )
        )
    return study


@given(hostile)
@example(MARKUP)
@example(ESCAPES)
@example(PASSWORD)
@settings(max_examples=12)
def test_every_view_of_a_hostile_study_is_shown_without_escape_sequences(text: str) -> None:
    storage = InMemoryStorage()
    study_of(text, storage, text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("optnas.run.lookup.open_storage", lambda *_, **__: storage)
        for command in (
            ["status"],
            ["pareto"],
            ["pareto", "--csv"],
            ["pareto", "--json"],
            ["show", 0],
            ["show", 2],
            ["show", 2, "--json"],
            ["pareto", f"no{text}"],
            ["show", 9],
        ):
            result = call(*command)
            assert result.exit_code == (2 if command[1:] in ([f"no{text}"], [9]) else 0), result.output
            assert not _STEERING.search(result.output), (command, result.output)
            if "--json" in command:
                json.loads(result.stdout)
            elif "--csv" not in command:  # data for programs is as it was recorded
                assert "s3cret" not in result.output


@pytest.mark.parametrize("text", [MARKUP, ESCAPES, PASSWORD])
def test_an_error_of_the_user_s_code_is_shown_as_it_is(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    word = text if text.isprintable() else "width"
    Path("study.py").write_text(
        "from optnas import Study, choose, maximize, ops\n"
        "def evaluate(candidate, report):\n"
        f"    raise RuntimeError({text!r})\n"
        f"study = Study(name={'x' + text!r}, space=ops.seq(ops.conv(choose(1, 2, name={word!r}))),\n"
        f"    evaluate=evaluate, objectives=[maximize('score')], sampler='random')\n"
    )
    for command in (["run", "study.py", "--trials", 2, "--workers", 1], ["status"], ["show", 0]):
        result = call(*command)
        assert "Traceback" not in result.output or command == ["show", 0]
        assert result.exit_code == 0, result.output
        assert not _STEERING.search(result.output), (command, result.output)
        assert "s3cret" not in result.output
        assert text != MARKUP or "[/data/train] [bold]:smile:" in " ".join(result.output.split())


@pytest.mark.parametrize("text", [MARKUP, ESCAPES, PASSWORD])
@pytest.mark.parametrize(
    "arguments",
    [
        lambda text: ["run", text],
        lambda text: ["show", text],
        lambda text: ["status", f"--{text}"],
        lambda text: ["init", f"{text}.txt"],
        lambda text: ["data", f"{text}.csv"],
        lambda text: ["status", "--storage", text],
        lambda text: [text],
    ],
)
def test_an_argument_is_repeated_without_escape_sequences(
    text: str,
    arguments: Callable[[str], list[object]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("optnas.storages.opening._FIRST_CONTACT_SECONDS", 0.1)
    result = call(*arguments(text))
    assert result.exit_code == 2, result.output
    assert not _STEERING.search(result.output)
    assert "s3cret" not in result.output


def test_columns_of_a_table_are_shown_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    name = "[/data/train]\x1b[2J\u202e"
    rows = "".join(f"{i % 7},{name}{i % 2}\n" for i in range(40))
    Path("table.csv").write_text(f"{name},target\n{rows}")
    result = call("data", "table.csv", "--target", "target")
    assert result.exit_code == 0, result.output
    assert "[/data/train]␛[2" in result.output
    assert not _STEERING.search(result.output)


def test_a_figure_shows_texts_as_they_are(tmp_path: Path) -> None:
    study = study_of("<a href='x'>&</script><b>\x1b", InMemoryStorage())
    write_figure(front_figure(study), tmp_path / "front.html")
    page = (tmp_path / "front.html").read_text()
    drawn = page[page.index('<div class="figure"') : page.index('id="dark-colours"')]
    texts = [json.loads(text) for text in re.findall(r'"text": ?("[^"]*")', drawn)]
    assert any("&lt;a href=" in text for text in texts)
    assert "</script><b>" not in drawn
    assert "\x1b" not in drawn
