"""``time.sleep`` for machines of chaos.py whose clocks are wrong.

libfaketime 0.9.10 takes the time on the monotonic clock until which Python sleeps (``clock_nanosleep``) for
one on the wrong clock, and refuses it (EINVAL). ``select`` waits for a relative time.
"""

import select
import time


def sleep(seconds: float) -> None:
    if seconds < 0:
        raise ValueError("sleep length must be non-negative")
    select.select([], [], [], seconds)


time.sleep = sleep
