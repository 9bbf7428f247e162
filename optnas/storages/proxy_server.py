"""Optuna's gRPC proxy as a server in front of a database."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from optuna.storages import BaseStorage

from optnas.errors import StorageError, UserError
from optnas.storages.database import CachedDatabase
from optnas.storages.lock import study_lock
from optnas.storages.proxy import HELD, KEEPALIVE, LOST, SERVICE
from optnas.storages.waiting import StorageAway, impatient
from optnas.trials.optuna_internals import serve_storage

__all__ = ["storage_server"]

# Clients that wait for a study's lock have a thread each; threads are made as they are needed.
_MOST_THREADS = 1000


def storage_server(storage: BaseStorage, host: str, port: int) -> grpc.Server:
    """Return Optuna's gRPC server for a storage, not started yet.

    While the storage is away it says so within seconds, and its clients wait.

    Args:
        storage: A database that :func:`~optnas.storages.opening.open_storage` opened.
        host: The address to listen on.
        port: The port.

    Raises:
        UserError: If the storage is no database, or the port is in use.
    """
    if not isinstance(storage, CachedDatabase):
        raise UserError("a storage proxy stands in front of a database: sqlite, postgresql or mysql")
    server = grpc.server(
        ThreadPoolExecutor(max_workers=_MOST_THREADS),
        interceptors=[_Impatient(storage)],
        options=[
            *KEEPALIVE,
            # Clients ask more often than gRPC takes for polite, to notice a link that is cut.
            ("grpc.http2.min_recv_ping_interval_without_data_ms", 5_000),
            ("grpc.so_reuseport", 0),
        ],
    )
    serve_storage(storage, server)
    hold = grpc.stream_stream_rpc_method_handler(_Locks(storage).hold)
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(SERVICE, {"Hold": hold})])
    try:
        server.add_insecure_port(f"{host}:{port}")
    except RuntimeError:
        raise UserError(f"{host}:{port} cannot be listened on: is it in use? Give another --port") from None
    return server


class _Impatient(grpc.ServerInterceptor):  # type: ignore[misc] # grpc has no types
    """Answers ``UNAVAILABLE`` while the storage is away."""

    def __init__(self, storage: BaseStorage) -> None:
        self._storage = storage

    def intercept_service(self, continuation: Callable[[Any], Any], details: Any) -> Any:
        handler = continuation(details)
        if handler is None or handler.unary_unary is None:
            return handler

        def answer(request: Any, context: grpc.ServicerContext) -> Any:
            try:
                with impatient(self._storage):
                    return handler.unary_unary(request, context)
            except StorageAway as error:
                context.abort(grpc.StatusCode.UNAVAILABLE, str(error))
            except StorageError as error:
                context.abort(grpc.StatusCode.INTERNAL, str(error))

        return grpc.unary_unary_rpc_method_handler(
            answer, handler.request_deserializer, handler.response_serializer
        )


class _Locks:
    """Holds locks of studies for clients."""

    def __init__(self, storage: BaseStorage) -> None:
        self._storage = storage
        self._turns: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    def hold(self, requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
        """Hold the lock of the study that the first request names, until the call ends.

        It ends when the client says so, or does not answer for 20 seconds. Every further request is answered
        by whether the lock is still held.
        """
        study = next(requests).decode()
        # One at a time asks the database: each takes a connection.
        with self._turns[study]:
            if not context.is_active():
                return
            try:
                with study_lock(self._storage, study) as lock:
                    yield HELD
                    for _ in requests:
                        yield HELD if lock.held() else LOST
            except StorageError as error:
                context.abort(grpc.StatusCode.UNAVAILABLE, str(error))
