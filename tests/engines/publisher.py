"""Whoever publishes ImageNet weights, on this machine: a server that sends what a test gives it, well or badly."""

import hashlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any

import h5py
import numpy as np

from qcqueue.catalog.models import ImageNetFile


@dataclass(slots=True, kw_only=True)
class Publisher:
    """files: by path, their bytes. announced: what it says of their length instead. stalls: it sends half and waits."""

    address: str
    files: dict[str, bytes] = field(default_factory=dict)
    announced: dict[str, int | None] = field(default_factory=dict)
    stalls: bool = False
    asked: Counter[str] = field(default_factory=Counter)
    goes_on: Event = field(default_factory=Event)


@contextmanager
def publishing() -> Iterator[Publisher]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.lstrip("/")
            publisher.asked[path] += 1
            body = publisher.files.get(path)
            if body is None:
                self.send_error(404)
                return
            self.send_response(200)
            if (size := publisher.announced.get(path, len(body))) is not None:
                self.send_header("Content-Length", str(size))
            self.end_headers()
            self.wfile.write(body[: len(body) // 2])
            self.wfile.flush()
            if publisher.stalls:
                publisher.goes_on.wait(60)
                return
            self.wfile.write(body[len(body) // 2 :])

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    publisher = Publisher(address=f"http://127.0.0.1:{server.server_port}/")
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield publisher
    finally:
        publisher.goes_on.set()
        server.shutdown()
        thread.join()
        server.server_close()


def hdf5(folder: Path, *, layers: int = 1, seed: int = 0) -> bytes:
    """Return a small file as Keras publishes its weights: layers with arrays, and their names."""
    path, values = folder / "made.h5", np.arange(3000, dtype=np.float32) + seed
    with h5py.File(path, "w") as file:
        names = [f"layer{number}" for number in range(layers)]
        file.attrs["layer_names"] = [name.encode() for name in names]
        for name in names:
            file.create_dataset(f"{name}/kernel", data=values)
            file[name].attrs["weight_names"] = [b"kernel"]
    body = path.read_bytes()
    path.unlink()
    return body


def with_hash(file: ImageNetFile, body: bytes, algorithm: str = "md5") -> ImageNetFile:
    """Return the file as if Keras knew the hash of these bytes."""
    return replace(file, digest=hashlib.new(algorithm, body).hexdigest(), least_bytes=1)
