"""What a model card says of the data and of the limits of a network, and what people state in it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

import optnas
from optnas import Card, Training, UserError, data, tasks
from optnas.data.schemas import Arrays, Pictures, Texts
from optnas.train.used_settings import settings_without_effect
from optnas.winner.front_matter import front_matter
from optnas.winner.limits import limits, unseen
from tests.cards import run_card
from tests.files import assert_refused, call

STUDY = """
from optnas import *

study = Study(
    name="houses",
    space=ops.seq(ops.linear(choose(8, 16, name="width")), ops.relu(), ops.head()),
    task=tasks.{task}(data.csv("houses.csv", target="{target}", drop=["{other}"])),
    objectives=[{objective}, minimize("flops")],
    training=Training(epochs=20, lr=0.02),
    card={card!r},
)
"""


def houses() -> None:
    """Write a table whose price depends on size and city, and hardly on anything else."""
    rng = np.random.default_rng(0)
    n = 400
    table = pd.DataFrame(
        {
            "city": rng.choice(["Bern", "Wien", "Ulm"], n, p=[0.6, 0.38, 0.02]),
            "size": rng.integers(20, 200, n),
            "garden": rng.choice(["yes", "no"], n),
            "sold": pd.date_range("2020-01-01", periods=n).strftime("%Y-%m-%d"),
        }
    )
    table["price"] = 10.0 * table["size"] + 900 * (table["city"] == "Wien")
    table["dear"] = np.where(table["price"] > 2300, "dear", "cheap")
    table.loc[:9, "size"] = np.nan
    table.to_csv("houses.csv", index=False)


def trained(*more: str, task: str = "regression", card: Any = None) -> tuple[str, dict[str, Any]]:
    target, other = ("price", "dear") if task == "regression" else ("dear", "price")
    objective = 'minimize("rmse")' if task == "regression" else 'maximize("accuracy")'
    Path("study.py").write_text(
        STUDY.format(task=task, target=target, other=other, objective=objective, card=card)
    )
    done = call(
        "train", "study.py", "-a", "seq(linear(8), relu, head)", "--out", "net", "--threads", 1, *more
    )
    assert done.exit_code == 0, done.output
    card = Path("net/README.md").read_text(encoding="utf-8")
    return card, json.loads(Path("net/metrics.json").read_text())


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OPTNAS_STORAGE", raising=False)
    houses()


def test_a_card_of_a_table_says_what_was_learned_from_and_what_was_not_seen() -> None:
    card, record = trained()
    digest = hashlib.sha256(Path("houses.csv").read_bytes()).hexdigest()
    assert f"The file `houses.csv` has the SHA-256 digest `{digest}`." in card
    assert "split at random with seed 0: 20 % validation, 20 % test." in card
    assert "drawn at random from the same data" in card
    study = data.csv("houses.csv", target="price", drop=["dear"]).with_targets("values").splits
    for part in ("train", "validation", "test"):
        y = getattr(study, part).y
        expected = {"least": y.min().item(), "mean": y.double().mean().item(), "most": y.max().item()}
        assert record["data"]["target"][part] == pytest.approx(expected)
    columns = {each["name"]: each for each in record["data"]["inputs"]["columns"]}
    assert 20 <= columns["size"]["least"] < 40
    assert 180 < columns["size"]["most"] < 200
    assert 0 < columns["size"]["missing"] <= 10
    assert columns["city"]["categories"] == 3
    assert list(columns["city"]["rare"]) == ["Ulm"]
    assert f"Ulm of city ({columns['city']['rare']['Ulm']})" in card
    assert "| sold | date | 2020-01-0" in card
    rows = pd.read_csv("houses.csv")
    # Each column is named with what its absence costs; the price depends on the size most of all.
    gaps = {each["name"]: each["metrics"]["rmse"] for each in record["gaps"]["columns"]}
    assert set(gaps) == {"city", "size", "garden", "sold"}
    assert max(gaps, key=lambda name: gaps[name]) == "size"
    assert gaps["size"] > 3 * record["gaps"]["whole"]["rmse"]
    assert record["gaps"]["whole"]["rmse"] == pytest.approx(record["test"]["rmse"]["mean"], rel=1e-3)
    assert "where a column is missing in all rows size" in card
    # As predictions of rows without the column have it.
    model, test = optnas.load("net"), study.test
    raw = model.schema.restored(test.x, study.prepare)
    assert raw is not None
    kept = rows[rows["price"].isin(test.y.flatten().tolist())].drop(columns=["price", "dear"])
    assert len(kept) >= len(test)
    found = model.predict(kept.assign(size=None).head(5))
    assert np.isfinite(found.to_numpy()).all()


def test_classes_that_are_rare_or_found_rarely_are_named_with_calibration_and_better_models() -> None:
    record: dict[str, Any] = {
        "settings": {"score": "maximize('accuracy')"},
        "validation": {"accuracy": {"mean": 0.9}},
        "test": {"accuracy": {"mean": 0.88}},
        "samples": {"test": 200},
        "seeds": [0],
        "intervals": {"part": "test", "accuracy": [0.84, 0.92]},
        "confusion": {
            "part": "test",
            "classes": [
                {"name": "a", "recall": 0.95, "support": 100},
                {"name": "b", "recall": 0.5, "support": 60},
                {"name": "c", "recall": 0.6, "support": 2},
            ],
        },
        "calibration": {"test": {"ece": {"after": 0.031}}},
        "baselines": {
            "models": [
                {"name": "forest", "test": {"accuracy": 0.93}},
                {"name": "constant", "test": {"accuracy": 0.5}},
            ]
        },
        "data": {"test": "time", "classes": [{"name": "a", "train": 300}, {"name": "c", "train": 7}]},
    }
    told = limits(record, Arrays((4,), span=(-1.0, 2.5)))
    assert "b (0.5000)" in told
    assert "c (0.6000)" not in told  # as chance explains it
    assert "fewer than 30 samples to learn from: c (7)." in told
    assert "±0.0400" in told
    assert "off by 0.0310 on average" in told
    assert "forest 0.9300" in told
    assert "constant" not in told
    assert "is what came last" in told
    assert "below -1 or above 2.5" in told
    assert "one seed" in told
    record |= {"seeds": [0, 1], "confusion": None, "calibration": {}, "baselines": {}, "intervals": {}}
    record["data"] = {"test": ""}
    assert limits(record, Arrays((4,))) == ""


def test_limits_of_pictures_and_texts_are_those_of_their_schema() -> None:
    pixels = Arrays((3, 8, 6), "uint8", None, (0, 255))
    (told, _) = unseen(Pictures(pixels, resized=True), {})
    assert "8×6 pixels, RGB" in told
    assert "lose their edges" in told
    (told, _) = unseen(Pictures(pixels, resized=False), {})
    assert "Pictures of other sizes are refused" in told
    (told,) = unseen(Texts("abc", 7), {})
    assert "the last 7 characters" in told
    assert "3 characters" in told


def test_statements_of_the_study_and_the_command_stand_in_the_card_and_what_is_not_stated_is_said() -> None:
    card, record = trained("--license", "Apache-2.0", card={"license": "mit", "tags": ["houses"]})
    head, _, rest = card.removeprefix("---\n").partition("---\n")
    found = yaml.safe_load(head)
    assert found["license"] == "apache-2.0"
    assert found["library_name"] == "optnas"
    assert found["tags"] == ["optnas", "neural-architecture-search", "houses"]
    assert found["pipeline_tag"] == "tabular-regression"
    (results,) = found["model-index"][0]["results"]
    values = {each["type"]: each["value"] for each in results["metrics"]}
    assert values["rmse"] == pytest.approx(record["test"]["rmse"]["mean"], rel=1e-5)
    assert rest.startswith("\n# net\n")
    assert "- Licence of the model: Apache-2.0\n" in card
    assert "- Licence of the data: not stated\n" in card
    assert "- Intended use: not stated\n" in card


def test_what_is_stated_later_is_written_into_the_card_and_nothing_else_changes(tmp_path: Path) -> None:
    card, _ = trained()
    assert "license" not in yaml.safe_load(card.split("---\n")[1])
    Path("net/README.md").write_text(card.replace("# net\n", "# net\n\nAsk Ada.\n"), encoding="utf-8")
    later, record = trained("--license", "House rules 2", "--data-source", "https://example.org/houses")
    assert record["card"] == {"license": "House rules 2", "data_source": "https://example.org/houses"}
    head = yaml.safe_load(later.split("---\n")[1])
    assert (head["license"], head["license_name"]) == ("other", "house-rules-2")
    assert (
        "- Licence of the model: House rules 2\n- Source of the data: <https://example.org/houses>\n" in later
    )
    assert "\nAsk Ada.\n" in later
    assert later.split("## Architecture")[1] == card.split("## Architecture")[1]
    own = later.replace("library_name: optnas", "library_name: ours")
    Path("net/README.md").write_text(own, encoding="utf-8")
    last, _ = trained("--license", "mit")
    assert "library_name: ours" in last  # metadata that someone changed is theirs
    assert "- Licence of the model: mit\n" in last
    assert len(run_card(Path("net"), tmp_path / "elsewhere")) == 1


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"licence": "mit"}, "card has no 'licence': did you mean 'license'"),
        ({"license": 3}, "Card(license=3): give a text"),
        ({"tags": [1]}, "Card(tags=(1,)): give a list of texts"),
        ("mit", "card='mit': give optnas.Card(license=…)"),
    ],
)
def test_a_card_that_states_nothing_readable_is_refused(given: Any, said: str) -> None:
    with pytest.raises(UserError) as error:
        Card.of(given)
    assert said in str(error.value)


def test_a_wrong_card_in_a_study_file_is_one_line() -> None:
    Path("study.py").write_text(
        STUDY.format(
            task="regression", target="price", other="dear", objective='minimize("rmse")', card={"x": "y"}
        )
    )
    assert_refused(call("train", "study.py", "-a", "seq(head)"), "card has no 'x'")


def test_settings_that_a_training_does_not_go_by_are_not_in_its_card() -> None:
    task = tasks.classification(data.digits())
    adam = settings_without_effect(task, Training())
    assert {"momentum", "padding", "focal_gamma", "lr_decay", "milestones"} <= adam
    assert not {"betas", "weight_decay", "lr", "optimizer", "batch_size"} & adam
    sgd = settings_without_effect(task, Training(optimizer="sgd", crop=2, schedule="step", loss="focal"))
    assert sgd == {"betas"}
    assert "milestones" in settings_without_effect(task, Training(schedule="exponential"))

    def mine(weights: Any, lr: float, momentum: float) -> Any:
        raise NotImplementedError

    own = settings_without_effect(task, Training(optimizer="mine", optimizers={"mine": mine}))
    assert "momentum" not in own
    assert {"betas", "weight_decay"} <= own
    gan = settings_without_effect(_Own(data.digits()), Training())
    assert {"optimizer", "momentum"} <= gan
    assert "lr" not in gan
    card, _ = trained()
    assert ", lr 0.02, " in card
    assert "momentum" not in card


class _Own(type(tasks.classification(data.digits()))):  # type: ignore[misc]
    """A task with a training step of its own that goes by the rate."""

    uses_settings = ("lr",)

    def own_step(self, *given: Any) -> Any:
        raise NotImplementedError


def test_the_classes_of_each_part_are_counted() -> None:
    card, record = trained(task="classification")
    rows = pd.read_csv("houses.csv")
    counts = {each["name"]: each for each in record["data"]["classes"]}
    for name, each in counts.items():
        assert sum(each[part] for part in ("train", "validation", "test")) == (rows["dear"] == name).sum()
    assert f"| cheap | {counts['cheap']['train']} | " in card
    assert "with the same shares of each class in all parts" in card


def test_ways_to_split_are_told() -> None:
    x, y = np.random.default_rng(0).normal(size=(60, 3)), np.arange(60) / 60
    made = {
        "time": data.by_time(gap=2),
        "groups": data.by_group(np.arange(60) // 6),
        "given": data.by_index(range(40), range(40, 50), range(50, 60)),
        "random": None,
    }
    for test, rule in made.items():
        origin = data.tensors(x, y, targets="values", split=rule).splits.origin
        assert origin.test == test
        assert origin.split
    own = data.tensors(x, y, targets="values", split=lambda *given: made["given"](*given)).splits.origin  # type: ignore[misc]
    assert own.split == "by a function of the study"


def test_metadata_of_what_has_no_test_part_and_no_known_task_is_read_as_yaml() -> None:
    record = {
        "task": "mine: x",
        "validation": {"loss": {"mean": 1.0}},
        "test": {},
        "settings": {"data": "a: b"},
        "card": {"license": "x\ny", "language": ["en"]},
    }
    found = yaml.safe_load(front_matter(record, "n", ("array", "outputs")).strip("-\n"))
    assert found == {
        "license": "other",
        "license_name": "x-y",
        "library_name": "optnas",
        "language": ["en"],
        "tags": ["optnas", "neural-architecture-search"],
        "metrics": ["loss"],
    }
