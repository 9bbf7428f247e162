"""Energy counters."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from optnas import UserError
from optnas.measure.energy import RAPL, energy, energy_meter


def zone(powercap: Path, number: str, name: str, counted: int, highest: int = 999_999) -> Path:
    folder = powercap / f"intel-rapl:{number}"
    folder.mkdir()
    (folder / "name").write_text(f"{name}\n")
    (folder / "energy_uj").write_text(f"{counted}\n")
    (folder / "max_energy_range_uj").write_text(f"{highest}\n")
    return folder / "energy_uj"


def test_the_packages_add_up_and_what_is_within_or_around_them_is_not_counted_twice(tmp_path: Path) -> None:
    counters = [
        zone(tmp_path, number, name, 100)
        for number, name in [("0", "package-0"), ("1", "package-1"), ("2", "psys"), ("0:0", "core")]
    ]
    meter = RAPL(tmp_path)
    before = meter.read()
    for counter in counters:
        counter.write_text("250100\n")
    assert meter.joules(before, meter.read()) == pytest.approx(2 * 0.25)


def test_a_counter_that_began_anew_is_read_right(tmp_path: Path) -> None:
    counter = zone(tmp_path, "0", "package-0", 900_000)
    meter = RAPL(tmp_path)
    before = meter.read()
    counter.write_text("100000\n")
    assert meter.joules(before, meter.read()) == pytest.approx(0.2)


def test_energy_is_that_of_one_call(tmp_path: Path) -> None:
    counter = zone(tmp_path, "0", "package-0", 0, highest=10**12)

    def spend() -> None:
        counter.write_text(f"{int(counter.read_text()) + 3_000_000}\n")

    assert energy(spend, RAPL(tmp_path), seconds=0.02) == pytest.approx(3.0)


def test_counters_that_stand_still_are_no_energy_of_nothing(tmp_path: Path) -> None:
    zone(tmp_path, "0", "package-0", 5)
    with pytest.raises(RuntimeError, match="did not move"):
        energy(lambda: None, RAPL(tmp_path), seconds=0.01)


def test_a_processor_without_counters_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no RAPL counters"):
        RAPL(tmp_path)
    with pytest.raises(UserError, match="no RAPL counters"):
        RAPL(tmp_path / "nowhere")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_counters_that_may_not_be_read_say_what_to_do(tmp_path: Path) -> None:
    zone(tmp_path, "0", "package-0", 5).chmod(0)
    with pytest.raises(UserError, match=r"chmod a\+r"):
        RAPL(tmp_path)


def test_other_devices_have_no_counter() -> None:
    with pytest.raises(UserError, match="only on CUDA"):
        energy_meter(torch.device("meta"))


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_s_counter_moves() -> None:
    pytest.importorskip("pynvml")
    x = torch.randn(4096, 4096, device="cuda")

    def product() -> None:
        (x @ x).sum().item()

    assert energy(product, energy_meter(x.device)) > 0
