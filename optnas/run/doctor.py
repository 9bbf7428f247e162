"""Report on this machine for ``optnas doctor``: versions, devices, threads, storage."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

import optuna

from optnas.errors import UserError
from optnas.run.storage_check import check_storage
from optnas.shown import masked_url
from optnas.storages.opening import NoStorage, open_storage

__all__ = ["examine"]

_PACKAGES = ("optnas", "optuna", "torch", "optuna-dashboard", "scikit-learn", "plotly", "numpy")


def examine(url: str) -> list[tuple[str, str, bool]]:
    """Examine this machine and return rows: subject, finding, and whether the finding is good."""
    from optnas.train import cores

    found = [("python", platform.python_version(), True)]
    for package in _PACKAGES:
        try:
            found.append((package, version(package), True))
        except PackageNotFoundError:
            found.append((package, "not installed", False))
    found.append(("cores", str(cores()), True))
    found += _devices()
    found += _storage(url)
    return found


def _devices() -> list[tuple[str, str, bool]]:
    import torch

    from optnas.run.gpus import mps_is_up
    from optnas.train.precision import choose_precision

    threads = f"1 a worker (PyTorch's own default here: {torch.get_num_threads()})"
    devices = [("threads", threads, True)]
    if not torch.cuda.is_available():
        return [*devices, ("device", "cpu (no CUDA device found)", True)]
    for i in range(torch.cuda.device_count()):
        facts = torch.cuda.get_device_properties(i)
        capability = f"compute capability {facts.major}.{facts.minor}"
        precision = choose_precision("auto", torch.device("cuda", i))
        memory = f"{facts.total_memory / 2**30:.0f} GiB"
        devices.append((f"cuda:{i}", f"{facts.name}, {memory}, {capability} ({precision})", True))
    without = "not up: workers on one GPU take turns (nvidia-cuda-mps-control -d starts it)"
    devices.append(("MPS", "up" if mps_is_up() else without, True))
    return devices


def _storage(url: str) -> list[tuple[str, str, bool]]:
    try:
        storage = open_storage(url, reading=True)
        names = optuna.get_all_study_names(storage)
        # All is read, as damage shows only where it is.
        trials = sum(
            len(optuna.load_study(study_name=name, storage=storage).get_trials(deepcopy=False))
            for name in names
        )
        count = f"{len(names)} {'study' if len(names) == 1 else 'studies'}, {trials:,} trials"
        reached = ("storage", f"{masked_url(url)}: reachable, {count}", True)
        try:
            return [reached, *check_storage(open_storage(url, create=False))]
        except (UserError, OSError) as error:  # it may be there to be read only
            return [reached, ("a write", str(error), False)]
    except NoStorage:
        return [("storage", f"{masked_url(url)}: not there yet, the first run makes it", True)]
    except UserError as error:
        return [("storage", str(error), False)]
