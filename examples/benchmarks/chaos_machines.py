"""Machines for chaos.py: network, process, host name, boot and time namespaces of one Linux.

A machine has a cable to the server's network that can be cut, process ids, a boot id and temporary files of
its own, another uptime, and a system clock that may be wrong (libfaketime). All have the same host name, as
virtual machines from one image do. Where namespaces cannot be made (it takes root and iproute2) there is one
machine, this one, and no cable.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil

# An init that buries the processes whose parents were killed.
_INIT = "import signal; signal.signal(signal.SIGCHLD, signal.SIG_IGN)\nwhile True: signal.pause()"
# A repair of ``time.sleep`` under libfaketime, which Python imports as it starts.
_SLEEP = Path(__file__).with_name("chaos_clock")
_FAKETIME = ("/usr/lib/*/faketime/libfaketimeMT.so.1", "/usr/local/lib/faketime/libfaketimeMT.so.1")


class Machine:
    """This machine as it is.

    Attributes:
        name: As logs call it.
        skew: By how many seconds its clock is wrong.
        uptime: By how many seconds longer it has been up than this one.
        cut: Whether its cable is cut.
    """

    def __init__(self, name: str, skew: int = 0) -> None:
        self.name = name
        self.skew = skew
        self.uptime = 0
        self.cut = False

    def command(self, arguments: list[str]) -> list[str]:
        """Return the command that runs ``arguments`` on the machine."""
        return arguments

    @property
    def environment(self) -> dict[str, str]:
        """Environment of the machine's processes: its clock."""
        library = _faketime()
        if not self.skew or library is None:
            return {}
        return {
            "LD_PRELOAD": library,
            "FAKETIME": f"{self.skew:+d}s",
            # A wrong date is no wrong stop watch.
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
            "PYTHONPATH": os.pathsep.join(filter(None, [str(_SLEEP), os.environ.get("PYTHONPATH")])),
        }

    def processes(self, started: int) -> list[psutil.Process]:
        """Return the processes that run there of a command started with process id ``started``."""
        return _tree(started)

    def left(self) -> list[psutil.Process]:
        """Return all processes on the machine that were started there; none are known of this one."""
        return []


class Namespace(Machine):
    """A machine in namespaces of its own.

    Args:
        name: As logs call it.
        number: Its number in the network.
        network: The network's name, and the first three parts of its addresses.
        folder: For its boot id.
        skew: By how many seconds its clock is wrong.
    """

    def __init__(self, name: str, number: int, network: tuple[str, str], folder: Path, skew: int) -> None:
        super().__init__(name, skew)
        bridge, prefix = network
        self.uptime = 100_000 * (number + 1)
        self._space = f"{bridge}m{number}"
        self._cable = f"{bridge}c{number}"
        self._temporary = folder / f"{name}.tmp"
        self._temporary.mkdir()
        boot = folder / f"{name}.boot_id"
        boot.write_text(f"{uuid.uuid4()}\n")
        _ip("netns", "add", self._space)
        _ip("link", "add", self._cable, "type", "veth", "peer", "name", "eth0", "netns", self._space)
        _ip("link", "set", self._cable, "master", bridge, "up")
        _ip("-n", self._space, "addr", "add", f"{prefix}.{number + 11}/24", "dev", "eth0")
        for device in ("eth0", "lo"):
            _ip("-n", self._space, "link", "set", device, "up")
        prepare = (
            f"hostname node && mount --bind {boot} /proc/sys/kernel/random/boot_id && echo up &&"
            f" exec {sys.executable} -S -c '{_INIT}'"
        )
        self._unshare = subprocess.Popen(
            ["ip", "netns", "exec", self._space, "unshare", "--pid", "--fork", "--kill-child", "--mount-proc",
             "--uts", "--time", "--boottime", str(self.uptime), "--monotonic", str(self.uptime),
             "sh", "-c", prepare],
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C is for this program
        )  # fmt: skip
        assert self._unshare.stdout is not None
        if self._unshare.stdout.readline() != "up\n":
            raise OSError("namespaces cannot be made here")
        (self._init,) = psutil.Process(self._unshare.pid).children()

    @property
    def environment(self) -> dict[str, str]:
        # Locks in a folder for temporary files hold on one machine alone.
        return {**super().environment, "TMPDIR": str(self._temporary)}

    def command(self, arguments: list[str]) -> list[str]:
        inside = ("--net", "--pid", "--mount", "--uts", "--time")
        return ["nsenter", "--target", str(self._init.pid), *inside, "--", *arguments]

    def processes(self, started: int) -> list[psutil.Process]:
        return _tree(started)[1:]  # the first is nsenter, outside

    def left(self) -> list[psutil.Process]:
        space = os.readlink(f"/proc/{self._init.pid}/ns/pid")
        found = []
        for process in psutil.process_iter():
            try:
                inside = os.readlink(f"/proc/{process.pid}/ns/pid") == space
                if inside and process != self._init and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
            except (OSError, psutil.NoSuchProcess):
                continue
        return found

    def cut_cable(self) -> None:
        """Cut it: no packet comes through, and nobody is told."""
        self.cut = True
        _ip("link", "set", self._cable, "down")

    def mend_cable(self) -> None:
        self.cut = False
        _ip("link", "set", self._cable, "up")

    def close(self) -> None:
        self._unshare.send_signal(signal.SIGKILL)  # and with it all that runs inside
        self._unshare.wait()
        _ip("link", "del", self._cable, check=False)
        _ip("netns", "del", self._space, check=False)


@contextmanager
def machines(number: int, skews: list[int], folder: Path) -> Iterator[tuple[list[Machine], str]]:
    """Start a machine for each clock skew; yield them, and the address that they reach servers at.

    Args:
        number: Number of this network among those of this program.
        skews: By how many seconds each one's clock is wrong.
        folder: For files of the machines.
    """
    if why_no_namespaces() is not None:
        yield [Machine("this machine")], "127.0.0.1"
        return
    free = os.getpid() + number
    bridge, prefix = f"ch{free % 10_000}", f"10.{200 + free % 50}.{free // 50 % 250}"
    with ExitStack() as stack:
        _ip("link", "add", bridge, "type", "bridge")
        stack.callback(_ip, "link", "del", bridge, check=False)
        _ip("addr", "add", f"{prefix}.1/24", "dev", bridge)
        _ip("link", "set", bridge, "up")
        started: list[Machine] = []
        for i, skew in enumerate(skews):
            machine = Namespace(f"m{i}", i, (bridge, prefix), folder, skew)
            stack.callback(machine.close)
            started.append(machine)
        yield started, f"{prefix}.1"


def why_no_namespaces() -> str | None:
    """Return why machines of their own cannot be made here, ``None`` if they can."""
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        return "it takes root on Linux"
    for tool in ("ip", "unshare", "nsenter"):
        if shutil.which(tool) is None:
            return f"{tool} is not installed"
    name = f"ch{os.getpid()}try"
    tried = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True)
    subprocess.run(["ip", "netns", "del", name], capture_output=True)
    return tried.stderr.strip() or None


def why_no_skew() -> str | None:
    """Return why clocks cannot be set wrong here, ``None`` if they can."""
    return "libfaketime is not installed" if _faketime() is None else None


def inner_pid(process: psutil.Process) -> int | None:
    """Return the process id that a process has for itself; ``None`` if it is gone."""
    try:
        for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
            if line.startswith("NSpid:"):
                return int(line.split()[-1])
    except OSError:
        return None
    return process.pid


def _faketime() -> str | None:
    return next((str(path) for each in _FAKETIME for path in Path("/").glob(each[1:])), None)


def _tree(pid: int) -> list[psutil.Process]:
    """Return a process and all that descend from it, parents first; those that are gone are left out."""
    try:
        top = psutil.Process(pid)
        return [top, *top.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _ip(*arguments: str, check: bool = True) -> None:
    subprocess.run(["ip", *arguments], check=check, capture_output=True)
