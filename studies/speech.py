"""Speech: networks that write down which vowels and tones a sound has, from its log-mel spectrogram.

    optnas run studies/speech.py --trials 20

This takes a minute and a half on two CPU cores; expect a front from 60,000 FLOPs at an error rate of 16 %
over 110,000 at 3 % to 1.7 million at 2 %. Beside it is printed what cutting at silence and the nearest mean
of each sound have, 33 %: sounds run into each other. One is 0.8 seconds of up to four vowels and tones, of
many voices, in noise; no target says where each is (CTC). Of what ``optnas train`` wrote,
``optnas.load(folder).predict(sounds)`` has a list of the symbols of each.
"""

import numpy as np

from optnas import Study, Training, choose, data, minimize, ops, real, repeat, tasks

RATE = 8_000  # Hz
FORMANTS = {"a": (730, 1090), "e": (530, 1840), "i": (270, 2290), "o": (570, 840), "u": (300, 870)}
TONES = (400, 900, 2000)


def unit(symbol, rng):
    """Return a vowel, harmonics of a voice that its formants let through, or a tone."""
    time = np.arange(int(RATE * rng.uniform(0.07, 0.15))) / RATE
    if symbol >= len(FORMANTS):
        sound = np.sin(2 * np.pi * TONES[symbol - len(FORMANTS)] * rng.uniform(0.9, 1.1) * time)
    else:
        harmonics = np.arange(1, 30)[:, None] * rng.uniform(90, 220)  # a deep voice or a high one
        formants = np.array(list(FORMANTS.values())[symbol]) * rng.uniform(0.9, 1.15)  # of each throat
        passed = (1 / (1 + ((harmonics - formants) / 80) ** 2)).sum(axis=1, keepdims=True)
        sound = (passed * (harmonics < RATE / 2) * np.sin(2 * np.pi * harmonics * time)).sum(axis=0)
    return sound / np.abs(sound).max() * np.bartlett(len(time)) ** 0.3


def sounds(samples=800, length=6_400, most=4):
    """Return sounds (samples, length) of one to four units in noise, and their symbols (samples, 4)."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(0, 0.2, (samples, length)), np.full((samples, most), -1)
    for sound, symbols in zip(x, y, strict=True):
        count, at = rng.integers(1, most + 1), rng.integers(200)
        symbols[:count] = rng.integers(len(FORMANTS) + len(TONES), size=count)
        for symbol in symbols[:count]:
            added = unit(symbol, rng)[: length - at]
            sound[at : at + len(added)] += added
            at += len(added) + rng.integers(-150, 300)
    return x, y


x, y = sounds()
mel = data.log_mel(x, RATE, bands=24, window=0.032, hop=0.016)
width = choose(8, 16, 32, 64, name="width")
convolution = ops.conv1d(width, choose(3, 5, 9, name="kernel"), stride=choose(1, 2, name="stride"))
layer = choose(ops.seq(convolution, ops.norm(), ops.relu()), ops.gru(width, bidirectional=True), name="op")

study = Study(
    name="speech",
    space=ops.seq(repeat(layer, 1, 3, name="layer"), ops.lm_head()),
    task=tasks.transcription(data.tensors(mel, y, layout="channels_last", name="vowels and tones")),
    objectives=[minimize("error_rate"), minimize("flops")],
    training=Training(epochs=27, batch_size=32, lr=real(1e-3, 3e-2, log=True), schedule="cosine"),
)
