"""``optnas draw`` draws spaces, architectures and activations."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.files import assert_refused, call, quick_study


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def drawn(*arguments: object) -> str:
    result = call("draw", *arguments)
    assert result.exit_code == 0, result.output
    return Path("drawing.svg").read_text(encoding="utf-8")


def test_a_study_file_gives_its_space(tmp_path: Path) -> None:
    assert "width 1–64" in drawn(quick_study(tmp_path))


def test_an_architecture_s_text_is_drawn_with_its_costs() -> None:
    text = "seq(conv_norm(16), head)"
    svg = drawn(text, "--shape", "1x8x8", "--outputs", 10)
    assert "16×8×8" in svg
    assert "FLOPs" in svg
    assert len(drawn(text, "--shape", "1,8,8", "--outputs", 10, "--expand")) > len(svg)


def test_an_activation_is_plotted() -> None:
    assert "Plot of the activation x · σ(x)" in drawn("mul(x, sigmoid(x))")


def test_an_op_that_is_none_is_told_and_drawn_by_its_name() -> None:
    result = call("draw", "seq(cnov(16), head)")
    assert "'cnov' is none of optnas's ops (did you mean 'conv'?)" in result.output
    assert "cnov" in Path("drawing.svg").read_text(encoding="utf-8")
    assert_refused(call("draw", "nonsense"), "there is no op 'nonsense'")


def test_the_file_is_named_by_an_option() -> None:
    assert call("draw", "mish", "-o", "mish.svg").exit_code == 0
    assert Path("mish.svg").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["none.py"], "no such file"),
        (["conv(16"], "not an architecture"),
        (["conv(16)", "--shape", "3xbig"], "such as 3x32x32"),
        (["conv(16)", "--shape", "0x8"], "such as 3x32x32"),
        (["mish", "-o", "mish.png"], "ends in .svg"),
    ],
)
def test_what_cannot_be_drawn_is_said_in_a_line(arguments: list[str], said: str) -> None:
    assert_refused(call("draw", *arguments), said)
