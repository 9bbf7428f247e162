"""Log-mel spectrograms."""

from __future__ import annotations

import numpy as np
import pytest

from optnas import UserError, data
from optnas.data.mel import mel_filters

RATE = 8_000


def tone(frequency: float, seconds: float = 0.5) -> np.ndarray:
    return np.sin(2 * np.pi * frequency * np.arange(int(RATE * seconds)) / RATE)


def test_a_tone_is_loudest_in_the_band_that_has_its_frequency() -> None:
    frequencies = [200, 500, 1000, 2000, 3500]
    found = data.log_mel([tone(f) for f in frequencies], RATE, bands=20)
    assert found.shape == (5, 1 + (4000 - 200) // 80, 20)
    peaks = np.linspace(0, 2595 * np.log10(1 + 4000 / 700), 22)[1:-1]
    expected = [np.abs(peaks - 2595 * np.log10(1 + f / 700)).argmin() for f in frequencies]
    assert (found.argmax(axis=2) == np.array(expected)[:, None]).all()


def test_a_sound_twice_as_high_adds_the_logarithm_of_its_power_to_every_number() -> None:
    noise = np.random.default_rng(0).normal(size=(2, 2000))
    difference = data.log_mel(2 * noise, RATE) - data.log_mel(noise, RATE)
    assert difference == pytest.approx(np.log(4), abs=1e-4)


def test_frames_are_those_of_each_window_alone() -> None:
    noise = np.random.default_rng(0).normal(size=(1, 1000))
    whole = data.log_mel(noise, RATE, bands=12)
    alone = data.log_mel(noise[:, 3 * 80 : 3 * 80 + 200], RATE, bands=12)
    assert alone.shape == (1, 1, 12)
    assert whole[0, 3] == pytest.approx(alone[0, 0], rel=1e-5)


def test_filters_between_the_first_and_last_peak_share_all_power() -> None:
    filters = mel_filters(RATE, 1024, 16, 0, 4000)
    peaks = filters.argmax(axis=1)
    assert filters[:, peaks[0] : peaks[-1]].sum(axis=0) == pytest.approx(1)


def test_a_window_keeps_a_tone_out_of_bands_far_from_it() -> None:
    found = data.log_mel([tone(1010)], RATE, bands=20)[0]
    assert (found.max(axis=1) - found[:, -1] > np.log(1e7)).all()  # without a window it is 1e5


def test_silence_is_a_number() -> None:
    assert np.isfinite(data.log_mel(np.zeros((1, 800)), RATE)).all()


@pytest.mark.parametrize(
    ("waves", "options", "said"),
    [
        ([[0.0] * 800, [0.0] * 700], {}, "all of one length"),
        ([0.0] * 800, {}, r"give \(samples, time\)"),
        ([[float("nan")] * 800], {}, "not a finite number"),
        ([[0.0] * 100], {}, "sounds of 100"),
        ([[0.0] * 800], {"bands": 0}, "whole number of at least 1"),
        ([[0.0] * 800], {"bands": 200}, "give fewer bands or a longer window"),
        ([[0.0] * 800], {"high": 5000}, "half the rate"),
    ],
)
def test_what_is_no_sound_is_told_in_one_line(waves: list, options: dict, said: str) -> None:
    with pytest.raises(UserError, match=said):
        data.log_mel(waves, RATE, **options)
