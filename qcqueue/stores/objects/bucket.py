"""Requests to a bucket, all below the prefix of one queue: the only module that knows obstore.

It signs, retries and reads the credentials; what a request that failed means is `answers`'. Names are relative to the
prefix. Always true: nothing is asked, and obstore is not imported, before the first request.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, TypeVar

from qcqueue.errors import ExtraMissing
from qcqueue.stores.base import Access
from qcqueue.stores.objects.address import BucketPlace
from qcqueue.stores.objects.answers import BucketAnswer, error_for

if TYPE_CHECKING:
    from obstore.store import ObjectStore

T = TypeVar("T")

PIECE_BYTES = 16 << 20
"""How much of a large object one request carries. Three of them are on their way, and in memory, at a time."""
PIECES_AT_ONCE = 3

SMALL_BYTES = 1 << 20
"""What is larger is given the time of a piece, whoever waits: on a slow line it is no sign that nobody answers."""

# A piece takes minutes on a slow line; what is slower than that is as good as away.
PIECE_TIMEOUT_S = 300.0
CONNECT_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AskLimits:
    """How long obstore asks. timeout_s: for one small answer; repeats: how often again, and in_all_s: until when."""

    timeout_s: float
    repeats: int
    in_all_s: float


# Somebody waits at a terminal, and can try again.
QUICK = AskLimits(timeout_s=8.0, repeats=2, in_all_s=15.0)
# A session has all the time that its machine lives.
STEADY = AskLimits(timeout_s=60.0, repeats=8, in_all_s=150.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """An object. modified_s: when it was written last, by the clock of the bucket, in whole seconds."""

    name: str
    size_bytes: int
    modified_s: float


class Bucket:
    """What lies below the prefix of a queue. Any request may raise StoreError; DigestMismatch: it arrived damaged."""

    def __init__(self, place: BucketPlace, access: Access, limits: AskLimits) -> None:
        """Raises: ExtraMissing."""
        if find_spec("obstore") is None:
            raise ExtraMissing(f"{place.scheme}:// needs obstore, which is not installed", hint="pip install obstore")
        self.place = place
        self._access = access
        self._limits = limits

    @property
    def url(self) -> str:
        return self.place.url

    @property
    def compares_digests(self) -> bool:
        """Whether the bucket itself is known to compare the SHA-256 that comes with whatever is stored.

        Amazon promises it. Who speaks the same protocol elsewhere may ignore it, and the other clouds are sent none.
        """
        return self.place.scheme == "s3" and not self._access.server

    def create(self, name: str, body: bytes) -> bool:
        """Store an object unless there is one of that name; return False where the bucket says that there is.

        Raises: OutcomeUnknown: it may have been stored.
        """
        import obstore
        from obstore.exceptions import AlreadyExistsError

        with self._translated(changes=True):
            try:
                obstore.put(self._for(len(body)), name, body, mode="create")
            except AlreadyExistsError:
                return False
        return True

    def write(self, name: str, body: bytes) -> None:
        """Store an object in place of the one of that name. Raises: OutcomeUnknown: it may have been stored."""
        import obstore

        with self._translated(changes=True):
            obstore.put(self._for(len(body)), name, body, use_multipart=False)

    def write_pieces(self, name: str, pieces: Iterator[bytes]) -> None:
        """Store a large object that is never in memory as a whole; what `pieces` raises leaves nothing behind."""
        import obstore

        with self._translated(changes=True):
            obstore.put(self._large, name, pieces, chunk_size=PIECE_BYTES, max_concurrency=PIECES_AT_ONCE)

    def read_piece(self, name: str, first: int, length: int) -> bytes | None:
        """Return some bytes of an object, fewer at its end and none behind that; None where there is no object."""
        import obstore
        from obstore.exceptions import BaseError

        def ask() -> bytes:
            try:
                return bytes(obstore.get_range(self._for(length), name, start=first, length=length))
            except BaseError as exc:
                if BucketAnswer.of(str(exc)).says_nothing_there:
                    return b""
                raise

        return self._unless_missing(ask)

    def look(self, name: str) -> Found | None:
        """Return what is known of an object, None where there is none."""
        import obstore

        found = self._unless_missing(lambda: _found(obstore.head(self._small, name)))
        if found is None:
            self.read_piece(name, 0, 1)  # whose answer, unlike that to a HEAD, tells a missing bucket
        return found

    def list(self, folder: str = "") -> Iterator[Found]:
        """Yield the objects whose names begin with `folder` and a slash, or all, by name, page by page."""
        import obstore

        pages = obstore.list(self._small, folder or None, chunk_size=1000)
        while True:
            with self._translated(changes=False):
                page = next(pages, None)
            if page is None:
                return
            yield from map(_found, page)

    def remove(self, names: "str | Iterable[str]") -> None:
        """Remove objects; removing what is not there is fine."""
        import obstore

        self._unless_missing(lambda: obstore.delete(self._small, names if isinstance(names, str) else [*names]))

    def _for(self, size_bytes: int) -> "ObjectStore":
        return self._large if size_bytes > SMALL_BYTES else self._small

    @cached_property
    def _small(self) -> "ObjectStore":
        return self._connected(self._limits.timeout_s)

    @cached_property
    def _large(self) -> "ObjectStore":
        return self._connected(PIECE_TIMEOUT_S)

    def _connected(self, timeout_s: float) -> "ObjectStore":
        from obstore import store as stores

        endpoint = self._access.server
        options: dict[str, Any] = {
            "prefix": self.place.prefix,
            "client_options": {
                "timeout": timedelta(seconds=timeout_s),
                "connect_timeout": timedelta(seconds=CONNECT_TIMEOUT_S),
                "allow_http": (endpoint or "").startswith("http://"),
            },
            "retry_config": {
                "max_retries": self._limits.repeats,
                "retry_timeout": timedelta(seconds=self._limits.in_all_s),
            },
        }
        environ = self._access.environ
        options |= {name: environ[name] for name in self.place.service.credentials if environ.get(name)}
        if endpoint:
            options["endpoint"] = endpoint
        with self._translated(changes=False):
            match self.place.scheme:
                case "s3":
                    options |= {"checksum_algorithm": "SHA256"}
                    options |= {"region": self._access.region} if self._access.region else {}
                    return stores.S3Store(self.place.bucket, **options)
                case "az":
                    account = _account(environ, endpoint)
                    options |= {"account_name": account} if account else {}
                    return stores.AzureStore(self.place.bucket, **options)
                case _:
                    return stores.GCSStore(self.place.bucket, **options)

    @contextmanager
    def _translated(self, *, changes: bool) -> Iterator[None]:
        """Tell an error of obstore's as ours. What it says stays here: it holds addresses, which can be keys."""
        from obstore.exceptions import BaseError

        try:
            yield
        except (BaseError, FileNotFoundError) as exc:
            raise error_for(str(exc), self.place, changes=changes) from None

    def _unless_missing(self, ask: Callable[[], T]) -> T | None:
        """Return an answer, None where there is no such object. Raises: StoreMissing: there is no bucket."""
        with self._translated(changes=False):
            try:
                return ask()
            except FileNotFoundError as exc:
                if BucketAnswer.of(str(exc)).says_no_bucket:
                    raise
                return None


def _found(meta: Mapping[str, Any]) -> Found:
    return Found(name=meta["path"], size_bytes=meta["size"], modified_s=meta["last_modified"].timestamp())


def _account(environ: Mapping[str, str], endpoint: str | None) -> str | None:
    """Return whose containers are meant where the environment does not say: the endpoint of Azure begins with that.

    Of one on this machine it is the path.
    """
    if environ.get("AZURE_STORAGE_ACCOUNT_NAME") or not endpoint:
        return None
    host, _, path = endpoint.partition("://")[2].partition("/")
    return path.strip("/") or host.partition(".")[0]
