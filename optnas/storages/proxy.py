"""A storage behind Optuna's gRPC proxy (``optnas storage-proxy``)."""

from __future__ import annotations

import warnings
from queue import SimpleQueue
from typing import Any

from optuna.exceptions import ExperimentalWarning
from optuna.storages import GrpcStorageProxy

from optnas.interrupts.whole import interruptible
from optnas.shown import notice
from optnas.storages.guarded import Guarded, guarded
from optnas.storages.waiting import Guard
from optnas.trials.optuna_internals import set_channel

__all__ = ["HELD", "KEEPALIVE", "LOST", "SERVICE", "HeldLock", "Proxy"]

KEEPALIVE = [
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    # Of the pings that gRPC sends of its own accord, before which no other is sent; a minute by default.
    ("grpc.http2.ping_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 0),
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
]
"""Options of a channel: both ends notice within 20 seconds that the other is gone."""

SERVICE = "optnas.Lock"
"""Name of the service that holds studies' locks, which Optuna's own proxy does not have."""

HELD, LOST = b"held", b"lost"
"""Its answers."""


class HeldLock:
    """Client's end of a lock that the proxy holds as long as the call lasts.

    Args:
        channel: The channel to the proxy.
        study: The study's name.

    Raises:
        grpc.RpcError: If it cannot be had.
    """

    def __init__(self, channel: Any, study: str) -> None:
        self._questions: SimpleQueue[bytes | None] = SimpleQueue()
        self._questions.put(study.encode())
        self._call = channel.stream_stream(f"/{SERVICE}/Hold")(iter(self._questions.get, None))
        try:
            with interruptible():
                next(self._call)
        except BaseException:
            self.close()
            raise

    def is_held(self) -> bool:
        """Return whether the proxy still holds it."""
        import grpc

        self._questions.put(b"?")
        try:
            return bool(next(self._call) == HELD)
        except (grpc.RpcError, StopIteration):
            return False

    def close(self) -> None:
        """Give it up."""
        self._questions.put(None)
        self._call.cancel()


@guarded
class Proxy(Guarded, GrpcStorageProxy):
    """Optuna's ``GrpcStorageProxy``, each operation of which goes through a :class:`Guard`.

    Args:
        host: The server's host.
        port: Its port.
        guard: The guard.
    """

    def __init__(self, host: str, port: int, guard: Guard) -> None:
        import grpc

        Guarded.__init__(self, guard)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            GrpcStorageProxy.__init__(self, host=host, port=port)
        self.close()
        # Optuna's own would wait for ever for an answer over a link that is cut, and up to two minutes before
        # it tries to connect again.
        again = [("grpc.initial_reconnect_backoff_ms", 200), ("grpc.max_reconnect_backoff_ms", 2_000)]
        self.channel = grpc.insecure_channel(f"{host}:{port}", options=[*KEEPALIVE, *again])
        set_channel(self, self.channel)
        self._has_locks = True

    def hold(self, study: str) -> HeldLock | None:
        """Wait for the lock of a study and return it; ``None`` if the proxy has no locks."""
        import grpc

        if not self._has_locks:
            return None
        try:
            return HeldLock(self.channel, study)
        except grpc.RpcError as error:
            if error.code() != grpc.StatusCode.UNIMPLEMENTED:
                raise
        self._has_locks = False
        notice(
            f"the proxy {self.guard.name} is not optnas's and holds no locks: workers on several machines may"
            " run a trial too many. Start it by optnas storage-proxy"
        )
        return None
