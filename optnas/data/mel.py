"""Log-mel spectrograms of sound: the usual features of speech."""

from __future__ import annotations

import math
import numbers
from typing import Any

import numpy as np

from optnas.data.numbers import Array, as_numbers, is_whole, refuse_unfit
from optnas.errors import UserError

__all__ = ["log_mel", "mel_filters"]

# Below the mel spectrum of silence in 16 bits, so that silence is a number.
_FLOOR = 1e-10
# 64 MiB of frames in float64 at a time.
_BLOCK_VALUES = 2**23


def log_mel(
    waves: Any,
    rate: int,
    *,
    bands: int = 40,
    window: float = 0.025,
    hop: float = 0.01,
    low: float = 0.0,
    high: float | None = None,
) -> Array:
    """Return log-mel spectrograms of sounds: (samples, time) to (samples, frames, bands), in float32.

    The power spectrum of Hann windows, in bands that are equally wide on the mel scale (:func:`mel_filters`),
    as natural logarithm. There is no padding: a sound has ``1 + (time - window) // hop`` frames.
    ``data.tensors(data.log_mel(waves, 16_000), y, layout="channels_last")`` is a data set of them.

    Args:
        waves: Sounds of equal length, numbers, shape (samples, time).
        rate: Samples of a sound in a second, Hz.
        bands: Mel bands, the features of a frame.
        window: Seconds of a frame.
        hop: Seconds from the beginning of a frame to that of the next.
        low: Frequency where the first band begins, Hz.
        high: Frequency where the last band ends, Hz; by default half the rate.

    Raises:
        UserError: If the sounds are not finite numbers (samples, time), or a number is out of its range.
    """
    sounds = _sounds(waves)
    for what, number in (("rate", rate), ("bands", bands)):
        if not is_whole(number) or number < 1:
            raise UserError(f"data.log_mel({what}={number!r}): give a whole number of at least 1")
    for what, given in (("window", window), ("hop", hop), ("low", low), ("high", high)):
        if given is not None and not (isinstance(given, numbers.Real) and math.isfinite(given)):
            raise UserError(f"data.log_mel({what}={given!r}): give a number")
    size, step = round(window * rate), round(hop * rate)
    if not 2 <= size <= sounds.shape[1] or step < 1:
        raise UserError(
            f"data.log_mel(window={window}, hop={hop}): at {rate} Hz that is {size} and {step} numbers of"
            f" sounds of {sounds.shape[1]}; windows need 2 to all of them, and a step 1"
        )
    points = 2 ** math.ceil(math.log2(size))
    filters = mel_filters(rate, points, bands, low, rate / 2 if high is None else high)
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)
    count = 1 + (sounds.shape[1] - size) // step
    found = np.empty((len(sounds), count, bands), np.float32)
    at_once = max(1, _BLOCK_VALUES // (count * size))
    for start in range(0, len(sounds), at_once):
        block = sounds[start : start + at_once].astype(np.float64)
        frames = np.lib.stride_tricks.sliding_window_view(block, size, axis=1)[:, ::step]
        power = np.abs(np.fft.rfft(frames * hann, points)) ** 2
        found[start : start + at_once] = np.log(np.maximum(power @ filters.T, _FLOOR))
    return found


def mel_filters(rate: int, points: int, bands: int, low: float, high: float) -> Array:
    """Return triangular filters of a power spectrum, shape (bands, points // 2 + 1).

    Their corners are equally spaced on the mel scale ``2595 log10(1 + f / 700)`` (O'Shaughnessy 1987); each
    begins at the peak of the one before it, where it has 1.

    Args:
        rate: Samples in a second, Hz.
        points: Points of the Fourier transform.
        bands: Number of filters.
        low: Where the first begins, Hz.
        high: Where the last ends, Hz.

    Raises:
        UserError: If the frequencies are not in order and within half the rate, or a filter is so narrow that
            it has no frequency of the transform.
    """
    if not 0 <= low < high <= rate / 2:
        raise UserError(
            f"data.log_mel(low={low}, high={high}): give frequencies in order, up to {rate / 2:g} Hz, half"
            " the rate"
        )
    ends = 2595 * np.log10(1 + np.array([low, high]) / 700)
    corners = 700 * (10 ** (np.linspace(ends[0], ends[1], bands + 2) / 2595) - 1)
    frequencies = np.arange(points // 2 + 1) * (rate / points)
    before, peak, after = corners[:-2, None], corners[1:-1, None], corners[2:, None]
    rising, falling = (frequencies - before) / (peak - before), (after - frequencies) / (after - peak)
    filters = np.maximum(0, np.minimum(rising, falling))
    empty = ~filters.any(axis=1)
    if empty.any():
        raise UserError(
            f"data.log_mel(bands={bands}): band {int(empty.argmax())} is narrower than the"
            f" {rate / points:.3g} Hz that a window tells apart; give fewer bands or a longer window"
        )
    return np.asarray(filters)


def _sounds(waves: Any) -> Array:
    try:
        sounds = as_numbers(waves)
    except (TypeError, ValueError) as error:
        raise UserError(f"data.log_mel: sounds must be numbers, all of one length: {error}") from None
    if sounds.ndim != 2 or sounds.size == 0:
        raise UserError(f"data.log_mel: sounds of shape {sounds.shape}; give (samples, time)")
    refuse_unfit("log_mel", sounds, "sound {}".format)
    return sounds
