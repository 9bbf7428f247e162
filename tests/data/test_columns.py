"""What a column becomes: the right features, with every guess told, or one line that says what to do."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
import torch

from optnas import UserError, data
from optnas.data.cells import quoted

ROWS = 100
RNG = np.random.default_rng(0)
VALUES = RNG.normal(size=ROWS).round(3)
TEXTS = [str(value) for value in VALUES]
TARGET = RNG.normal(size=ROWS).round(6)


def written(folder: Path, column: Sequence[object], name: str = "x", separator: str = ",") -> Path:
    """Write a file of this column and a target, and return its path."""
    path = folder / "table.csv"
    table = pandas.DataFrame({name: [str(value) for value in column], "y": TARGET})
    table.to_csv(path, index=False, sep=separator)
    return path


def read(path: Path, **options: Any) -> tuple[np.ndarray, list[str]]:
    """Return the features of all rows in the file's order, and the notes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        splits = data.csv(path, "y", **options).splits
    parts = (splits.train, splits.validation, splits.test)
    features = torch.cat([part.x for part in parts]).numpy()
    targets = torch.cat([part.y for part in parts]).numpy()
    order = {np.float32(value): row for row, value in enumerate(TARGET)}
    return features[np.argsort([order[y] for y in targets])], list(splits.notes)


def expected(values: np.ndarray, like: np.ndarray) -> np.ndarray:
    """Return ``values`` with the scale and shift that brings them nearest to the feature ``like``."""
    good = np.isfinite(values)
    slope, start = np.polyfit(values[good], like[good], 1)
    assert slope > 0
    return slope * values + start


def assert_number(feature: np.ndarray, values: np.ndarray) -> None:
    good = np.isfinite(values)
    assert np.isfinite(feature).all()
    assert feature[good] == pytest.approx(expected(values, feature)[good], abs=1e-4)


AMOUNTS = RNG.integers(-(10**7), 10**7, ROWS) / 100


@pytest.mark.parametrize(
    ("texts", "values", "separator"),
    [
        ([f"{a:.2f}" for a in AMOUNTS], AMOUNTS, ","),
        ([f"{a:.2f}".replace(".", ",") for a in AMOUNTS], AMOUNTS, ";"),
        ([f"{a:.2f}".replace(".", ",") for a in AMOUNTS], AMOUNTS, ","),
        ([f"{a:,.2f}" for a in AMOUNTS], AMOUNTS, ","),
        ([f"{a:,.0f}" for a in AMOUNTS], AMOUNTS.round(), ","),
        ([f"{a:,.2f}".translate(str.maketrans(",.", ".,")) for a in AMOUNTS], AMOUNTS, ";"),
        ([f"{a:,.2f}".replace(",", " ") for a in AMOUNTS], AMOUNTS, ","),
        ([f"{a:,.2f}".replace(",", "\u202f") for a in AMOUNTS], AMOUNTS, ","),
        ([f"{a:,.2f}".replace(",", "'") for a in AMOUNTS], AMOUNTS, ","),
        ([f"{a:.2f}%" for a in AMOUNTS], AMOUNTS, ","),
        ([f"{a:.2f} %" for a in AMOUNTS], AMOUNTS, ","),
        ([f"${a:,.2f}" for a in AMOUNTS], AMOUNTS, ","),
        ([f"{'-' if a < 0 else ''}${abs(a):,.2f}" for a in AMOUNTS], AMOUNTS, ","),
        ([f"{a:.2f} €" for a in AMOUNTS], AMOUNTS, ","),
        ([f"EUR {a:.2f}" for a in AMOUNTS], AMOUNTS, ","),
        ([f"{a:.2f} kg" for a in AMOUNTS], AMOUNTS, ","),
        ([f"{a:.2f} km/h" for a in AMOUNTS], AMOUNTS, ","),
        ([f"({-a:.2f})" if a < 0 else f"{a:.2f}" for a in AMOUNTS], AMOUNTS, ","),
        ([f"{a:.2f}".replace("-", "\u2212") for a in AMOUNTS], AMOUNTS, ","),
        ([f"{a:.4e}" for a in AMOUNTS], [float(f"{a:.4e}") for a in AMOUNTS], ","),
        ([f"{a}e300" for a in VALUES], VALUES, ","),
        ([f"{a}e-300" for a in VALUES], VALUES, ","),
    ],
)
def test_numbers_are_read_however_they_are_written(
    tmp_path: Path, texts: list[str], values: Any, separator: str
) -> None:
    features, _ = read(written(tmp_path, texts, separator=separator))
    assert features.shape == (ROWS, 1)
    assert_number(features[:, 0], np.asarray(values))


def test_a_whole_file_s_decimal_mark_tells_what_one_column_does_not(tmp_path: Path) -> None:
    grouped = [f"{1000 + 37 * i:,}" for i in range(ROWS)]
    with pytest.raises(UserError, match=r"'1,000', which is 1000 or 1\.000: say decimal="):
        read(written(tmp_path, grouped, separator=";"))
    features, notes = read(written(tmp_path, grouped, separator=";"), decimal=".")
    assert_number(features[:, 0], 1000 + 37.0 * np.arange(ROWS))
    assert "'1,000' is 1000" in " ".join(notes)
    features, _ = read(written(tmp_path, grouped, separator=";"), decimal=",")
    assert_number(features[:, 0], 1 + 0.037 * np.arange(ROWS))
    path = tmp_path / "two.csv"
    lines = [f"{g.replace(',', '.')};{v},5;{y}" for g, v, y in zip(grouped, range(ROWS), TARGET, strict=True)]
    path.write_text("x;z;y\n" + "\n".join(lines))
    assert_number(read(path)[0][:, 0], 1000 + 37.0 * np.arange(ROWS))


@pytest.mark.parametrize(
    "mark", ["?", "-", "n/a", "N/A", ".", "unknown", "", " ", "NaN", "None", "null", "sold"]
)
def test_nearly_all_numbers_are_a_column_of_numbers_and_the_rest_is_missing(
    tmp_path: Path, mark: str
) -> None:
    texts = [mark if row % 20 == 3 else text for row, text in enumerate(TEXTS)]
    features, notes = read(written(tmp_path, texts))
    gaps = np.array(texts) == mark
    assert features.shape == (ROWS, 2)
    assert_number(features[:, 0], np.where(gaps, np.nan, VALUES))
    assert ((features[:, 1] > 0) == gaps).all()
    told = [note for note in notes if "missing" in note]
    assert bool(told) == bool(mark.strip())
    assert all(repr(mark) in note for note in told)


@pytest.mark.parametrize("odd", [">5", "<0.1", "12a", "3-4", "5+", "1.2.3", "0x1F"])
def test_a_number_in_other_words_is_never_taken_for_a_gap(tmp_path: Path, odd: str) -> None:
    path = written(tmp_path, [odd, *TEXTS[1:]])
    with pytest.raises(UserError, match=r"holds numbers, but .* in 1 of 100 rows; say missing=\[\.\.\.\]"):
        read(path)
    assert read(path, missing=[odd])[0].shape == (ROWS, 2)
    assert read(path, numbers=["x"])[0].shape == (ROWS, 2)


@pytest.mark.parametrize("sentinel", ["-999", "1e300", "1e400", "inf"])
def test_a_sentinel_is_missing_where_that_is_said(tmp_path: Path, sentinel: str) -> None:
    path = written(tmp_path, [sentinel if row % 9 == 2 else text for row, text in enumerate(TEXTS)])
    features, _ = read(path, missing=[sentinel])
    assert_number(features[:, 0], np.where(np.arange(ROWS) % 9 == 2, np.nan, VALUES))


def test_a_huge_value_makes_no_nan_and_is_told(tmp_path: Path) -> None:
    path = written(tmp_path, [*TEXTS[1:], "1e300"])
    for seed in range(5):  # in the training part, or outside it
        try:
            features, notes = read(path, seed=seed)
        except UserError as error:
            assert "too far from all that the training part has" in str(error)  # noqa: PT017
        else:
            assert np.isfinite(features).all()
            assert "1e+300 make all others almost equal" in " ".join(notes)


def seconds(dates: Any) -> np.ndarray:
    return np.asarray((pandas.Series(dates) - pandas.Timestamp(0)).dt.total_seconds())


DAYS = pandas.Series(pandas.date_range("2023-11-05 13:07:09", periods=ROWS, freq="31h"))


@pytest.mark.parametrize(
    "form",
    [
        *("%Y-%m-%d", "%Y/%m/%d", "%d.%m.%Y", "%d.%m.%y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%Y%m%d"),
        *("%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%SZ", "%d.%m.%Y %H:%M", "%m/%d/%Y %I:%M %p"),
        *("%b %d, %Y", "%d %b %Y", "%d-%b-%Y", "%B %d, %Y %H:%M"),
    ],
)
def test_dates_become_time_and_season(tmp_path: Path, form: str) -> None:
    texts = DAYS.dt.strftime(form)
    features, _ = read(written(tmp_path, texts))
    truth = pandas.to_datetime(texts, format=form).dt.tz_localize(None)
    has_time = "%M" in form
    assert features.shape == (ROWS, 7 if has_time else 5)
    assert_number(features[:, 0], seconds(truth))
    year = 2 * np.pi * (seconds(truth) / 86400 % 365.2425) / 365.2425
    assert_number(features[:, 1], np.sin(year))


def test_zones_are_instants(tmp_path: Path) -> None:
    zones = ["+02:00", "-0530", "Z", "+00"]
    texts = [f"{day:%Y-%m-%d %H:%M:%S}{zones[row % 4]}" for row, day in enumerate(DAYS)]
    truth = pandas.to_datetime(pandas.Series(texts), format="ISO8601", utc=True).dt.tz_localize(None)
    features, _ = read(written(tmp_path, texts))
    assert_number(features[:, 0], seconds(truth))
    with_and_without = [text if row % 2 else text[:19] for row, text in enumerate(texts)]
    with pytest.raises(UserError, match="leave it out by drop="):
        read(written(tmp_path, with_and_without))


def test_days_that_may_be_months_are_asked_for(tmp_path: Path) -> None:
    texts = [f"{1 + row % 12:02d}/{1 + row % 11:02d}/2024" for row in range(ROWS)]
    path = written(tmp_path, texts)
    with pytest.raises(UserError, match=r"say dates=\{'x': '%d/%m/%Y'\} or dates=\{'x': '%m/%d/%Y'\}"):
        read(path)
    for form in ("%d/%m/%Y", "%m/%d/%Y"):
        features, notes = read(path, dates={"x": form})
        assert_number(features[:, 0], seconds(pandas.to_datetime(texts, format=form)))
        assert ("day first" if form[1] == "d" else "month first") in " ".join(notes)
    with pytest.raises(UserError, match="not '%Y' as dates= says"):
        read(path, dates={"x": "%Y"})


def test_dates_of_a_frame_are_those_of_its_file(tmp_path: Path) -> None:
    table = pandas.DataFrame({"x": DAYS, "y": TARGET})
    table.to_csv(tmp_path / "table.csv", index=False)
    in_file = data.csv(tmp_path / "table.csv", "y").splits.train.x
    for column in (DAYS, DAYS.dt.tz_localize("UTC").dt.tz_convert("Asia/Tokyo"), DAYS.astype(object)):
        assert torch.allclose(data.frame(table.assign(x=column), "y").splits.train.x, in_file, atol=1e-5)


@pytest.mark.parametrize(
    ("yes", "no"), [("true", "false"), ("Yes", "No"), ("T", "F"), ("y", "n"), ("ON", "off")]
)
def test_yes_and_no_are_one_feature(tmp_path: Path, yes: str, no: str) -> None:
    answers = VALUES > 0
    answered = np.where(answers, yes, no)
    features, _ = read(written(tmp_path, answered))
    assert features.shape == (ROWS, 1)
    assert ((features[:, 0] > 0) == answers).all()
    features, _ = read(written(tmp_path, ["?" if i % 9 == 2 else t for i, t in enumerate(answered)]))
    assert features.shape == (ROWS, 2)


@pytest.mark.parametrize(
    ("name", "texts", "said"),
    [
        ("x", [f"n{row}" for row in range(ROWS)], "100 different texts in 100 rows"),
        ("x", [f"n{row // 1.5:.0f}" for row in range(ROWS)], "different texts in 100 rows"),
        (
            "x",
            [f"{row * 7919:06x}g" for row in range(ROWS)],
            "different texts|holds numbers",
        ),
        ("x", [hex(row * 77) for row in range(ROWS)], "holds numbers, but '0x0'|different texts"),
        ("x", [f"0{1000 + row}" for row in range(ROWS)], "different codes with leading zeros"),
        ("x", [2**53 + 77777 * row for row in range(ROWS)], r"beyond 2\*\*53"),
        (
            "x",
            [text if row % 2 else "abc" for row, text in enumerate(TEXTS)],
            "but 'abc' in 50 of 100 rows",
        ),
        ("x", [text + ("%" if row % 2 else "") for row, text in enumerate(TEXTS)], "holds numbers, but"),
        ("x", [f"2024-02-{1 + row % 30:02d}" for row in range(ROWS)], "holds dates, but also '2024-02-30'"),
        ("x", [f"192.168.0.{row}" for row in range(ROWS)], "different texts"),
        ("x", [f"{row % 24}:{row % 60:02d}" for row in range(ROWS)], "different texts"),
    ],
)
def test_what_can_be_no_feature_is_refused_with_the_way_out(
    tmp_path: Path, name: str, texts: list[object], said: str
) -> None:
    path = written(tmp_path, texts, name)
    with pytest.raises(UserError, match=said) as refused:
        read(path)
    assert f"drop=[{name!r}]" in str(refused.value)
    assert "\n" not in str(refused.value)
    assert read(path, categories=[name])[0].shape[1] > 1


@pytest.mark.parametrize(
    ("name", "texts", "said"),
    [
        ("id", range(ROWS), "counts the rows"),
        ("customer_id", RNG.permutation(10_000)[:ROWS], "different in every row"),
        ("orderId", RNG.permutation(10_000)[:ROWS], "different in every row"),
        ("x", ["5"] * ROWS, "the same value in every row"),
        ("x", ["ab"] * ROWS, "the same value in every row"),
        ("x", [""] * ROWS, "no value"),
        ("x", ["?", "NA"] * 50, "no value"),
    ],
)
def test_what_tells_nothing_is_left_out_and_told(tmp_path: Path, name: str, texts: Any, said: str) -> None:
    path = written(tmp_path, texts, name)
    table = pandas.read_csv(path, dtype=str, keep_default_na=False).assign(z=TEXTS)
    table.to_csv(path, index=False)
    features, notes = read(path)
    assert features.shape == (ROWS, 1)
    assert_number(features[:, 0], VALUES)
    assert any(said in note and repr(name) in note for note in notes)


def test_a_column_that_may_be_a_row_number_is_kept_and_told(tmp_path: Path) -> None:
    features, notes = read(written(tmp_path, range(ROWS), "day"))
    assert features.shape == (ROWS, 1)
    assert "drop=['day']" in " ".join(notes)
    features, _ = read(written(tmp_path, range(ROWS), "id"), numbers=["id"])
    assert features.shape == (ROWS, 1)


def test_codes_are_categories(tmp_path: Path) -> None:
    features, notes = read(written(tmp_path, [f"0{1000 + row % 7}" for row in range(ROWS)]))
    assert features.shape == (ROWS, 7)
    assert "numbers=['x'] takes them as numbers" in " ".join(notes)
    features, _ = read(written(tmp_path, [["1", "2", "K"][row % 3] for row in range(ROWS)]))
    assert features.shape == (ROWS, 3)


def test_many_categories_and_cases_are_told(tmp_path: Path) -> None:
    _, notes = read(written(tmp_path, [f"c{row % 30}" for row in range(ROWS)]))
    assert "30 texts become a feature each" in " ".join(notes)
    assert "free text" not in " ".join(notes)
    sentences = [f"the owner said it was kept in garage {row % 30} all the time" for row in range(ROWS)]
    _, notes = read(written(tmp_path, sentences))
    assert "free text, whose words are not read" in " ".join(notes)
    assert "make numbers of it" in " ".join(notes)
    _, notes = read(written(tmp_path, [("Ulm", "ulm ")[row % 2] for row in range(ROWS)]))
    assert "'Ulm' and 'ulm' differ in case alone" in " ".join(notes)


def test_guesses_about_a_frame_are_warnings_once() -> None:
    table = pandas.DataFrame({"x": ["?", *TEXTS[1:]], "y": TARGET})
    held = data.frame(table, "y")
    with pytest.warns(UserWarning, match=r"data 'frame': column 'x': '\?' \(1 times\) taken as missing"):
        held.splits  # noqa: B018
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        held.splits  # noqa: B018


@pytest.mark.parametrize("option", ["drop", "numbers", "categories"])
def test_a_misspelt_column_is_told_the_nearest(option: str) -> None:
    table = pandas.DataFrame({"area": VALUES, "y": TARGET})
    with pytest.raises(UserError, match="has no column 'Area': did you mean 'area'"):
        data.frame(table, "y", **{option: ["Area"]}).splits  # noqa: B018
    with pytest.raises(UserError, match=f"{option}= takes a list"):
        data.frame(table, "y", **{option: "area"}).splits  # noqa: B018


def test_long_texts_are_shortened_as_far_as_they_stay_different() -> None:
    texts = [f"accident-free and first owner of car {i}, and more of it than anybody reads" for i in range(5)]
    told = quoted(texts)
    assert all(f"of car {i}, " in told for i in range(3))
    assert "anybody reads" not in told
    assert told.endswith(" and 2 more")
    assert quoted(["a" * 50, "b" * 50]) == f"{'a' * 27 + '...'!r}, {'b' * 27 + '...'!r}"
