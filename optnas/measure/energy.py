"""The energy of a forward pass, measured by the hardware's own counters."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from optnas.errors import UserError

if TYPE_CHECKING:
    import torch

__all__ = ["NVML", "RAPL", "Meter", "energy", "energy_meter"]

_POWERCAP = Path("/sys/class/powercap")

# Counters move in steps, RAPL's of 1 ms and NVML's of up to 100 ms.
_SECONDS = 2.0


class Meter(Protocol):
    """Interface of energy counters."""

    def read(self) -> Sequence[int]:
        """Return the current values of the counters."""
        ...

    def joules(self, before: Sequence[int], after: Sequence[int]) -> float:
        """Return the joules spent between two readings."""
        ...


class NVML:
    """The energy counter of an NVIDIA GPU (Volta and later): the whole board, in millijoules."""

    def __init__(self, device: torch.device) -> None:
        try:
            import pynvml
        except ImportError:
            raise UserError("energy on CUDA is read by NVML: pip install nvidia-ml-py") from None
        import torch

        self._nvml: Any = pynvml
        index = torch.cuda.current_device() if device.index is None else device.index
        try:
            pynvml.nvmlInit()
            # CUDA and NVML number GPUs differently; the UUID is the same.
            uuid = f"GPU-{torch.cuda.get_device_properties(index).uuid}"
            self._handle = pynvml.nvmlDeviceGetHandleByUUID(uuid)
            self.read()
        except pynvml.NVMLError as error:
            raise UserError(f"energy cannot be measured on {device}: NVML says {error}") from None

    def read(self) -> Sequence[int]:
        return [self._nvml.nvmlDeviceGetTotalEnergyConsumption(self._handle)]

    def joules(self, before: Sequence[int], after: Sequence[int]) -> float:
        return (after[0] - before[0]) / 1e3


class RAPL:
    """The energy counters of Intel and AMD processors on Linux: all packages whole, in microjoules.

    Args:
        powercap: The folder that Linux shows the counters in.

    Raises:
        UserError: If there are no counters, or they may not be read.
    """

    def __init__(self, powercap: Path = _POWERCAP) -> None:
        zones = powercap.glob("intel-rapl:*")  # AMD's have that name, too
        self._packages = sorted(zone for zone in zones if re.fullmatch(r"intel-rapl:\d+", zone.name))
        if not self._packages:
            raise UserError(
                f"energy cannot be measured on this CPU: it has no RAPL counters in {powercap};"
                " measure on another device, or drop 'energy'"
            )
        try:
            self._packages = [zone for zone in self._packages if self._is_package(zone)]
            self._ranges = [int((zone / "max_energy_range_uj").read_text()) for zone in self._packages]
            self.read()
        except PermissionError as error:
            raise UserError(
                f"energy cannot be measured: {error.filename} may not be read;"
                f" let root run: chmod a+r {powercap}/intel-rapl:*/energy_uj"
            ) from None

    @staticmethod
    def _is_package(zone: Path) -> bool:
        # "psys" is the whole platform, packages included.
        return (zone / "name").read_text().startswith("package")

    def read(self) -> Sequence[int]:
        return [int((zone / "energy_uj").read_text()) for zone in self._packages]

    def joules(self, before: Sequence[int], after: Sequence[int]) -> float:
        # A counter that has reached its range begins at 0 again.
        spent = ((b - a) % (highest + 1) for a, b, highest in zip(before, after, self._ranges, strict=True))
        return sum(spent) / 1e6


def energy_meter(device: torch.device) -> Meter:
    """Return the energy meter of ``device``.

    Raises:
        UserError: If it has none, or it may not be read.
    """
    if device.type == "cuda":
        return NVML(device)
    if device.type == "cpu":
        return RAPL()
    raise UserError(f"energy cannot be measured on {device}: only on CUDA (NVML) and the CPU (RAPL)")


def energy(call: Callable[[], object], meter: Meter, *, seconds: float = _SECONDS) -> float:
    """Return the joules that one ``call`` takes, averaged over as many as fit into ``seconds``.

    This is the energy of the whole device meanwhile, idle power and other processes included.

    Args:
        call: The call to measure; it returns when all is computed.
        meter: The energy meter of the device that computes it.
        seconds: The duration of the measurement.

    Raises:
        RuntimeError: If the counters do not move.
    """
    call()
    calls, started, before = 0, time.perf_counter(), meter.read()
    while time.perf_counter() - started < seconds:
        call()
        calls += 1
    spent = meter.joules(before, meter.read())
    if spent <= 0:
        raise RuntimeError(f"the energy counters did not move in {seconds:g} seconds")
    return spent / calls
