"""``optnas run`` that ends when its parent process does: ``python -m optnas.launch.worker run FILE …``.

Otherwise a worker whose keeper was killed would go on, out of the reach of whoever started it.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
import threading
import time

__all__ = ["end_with_parent", "main"]

_POLL_SECONDS = 0.5


def end_with_parent() -> None:
    """Start a thread that sends SIGTERM to this process once its parent process is gone."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_POLL_SECONDS)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()


def main() -> None:
    """Run the command line."""
    end_with_parent()
    sys.argv[0] = "optnas"
    # By name, as the command line stands above this room.
    runpy.run_module("optnas.cli", run_name="__main__")


if __name__ == "__main__":
    main()
