"""The table of stores: what each kind is called, what can be said of it without importing it, and where it stands.

A new kind is one file with a `base.Backend` and one row here, and is tested by standing in the table. What a URL means
is asked here, what a store does of its backend. Always true: to read a URL of one kind imports no other.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module

from qcqueue.errors import SettingInvalid
from qcqueue.stores.base import Backend
from qcqueue.text.humanize import listed
from qcqueue.text.urls import bare_url


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreKind:
    """A row of the table.

    backend: module:attribute, imported on use. form: how its URL is written. name: of the service; label: what a short
    sentence calls such a store. is_shared: whether several machines can use it. is_path: whether its address is a path,
    which may be relative. new: the address that stands for a queue which is still to be made, and given one. link: what
    the address bar of a browser shows of such a store, with the address as its one group.
    secrets: variables of the environment that a child process without business there is not given. profile: the
    provider whose machines most likely work on it, None where this machine does. region_from, endpoint_from: variables
    of the environment that say where it is, the strongest first; what they say may stand in the settings too.
    """

    backend: str
    form: str
    name: str
    label: str = "the store"
    is_shared: bool = True
    is_path: bool = False
    new: str | None = None
    link: str | None = None
    secrets: tuple[str, ...] = ()
    profile: str | None = None
    region_from: tuple[str, ...] = ()
    endpoint_from: tuple[str, ...] = ()

    @property
    def is_placed(self) -> bool:
        """Whether settings may say where such a store is, beside its URL."""
        return bool(self.region_from or self.endpoint_from)


STORES: Mapping[str, StoreKind] = {
    "folder": StoreKind(
        backend="qcqueue.stores.folder_backend:BACKEND",
        form="folder:PATH",
        name="a folder of this machine",
        is_shared=False,
        is_path=True,
    ),
    "shared": StoreKind(
        backend="qcqueue.stores.shared:BACKEND", form="shared:PATH", name="a folder of a shared disk", is_path=True
    ),
    "gdrive": StoreKind(
        backend="qcqueue.stores.drive.backend:BACKEND",
        form="gdrive:FOLDER_ID",
        name="Google Drive",
        label="Drive",
        new="new",
        link=r"(?:https://)?drive\.google\.com/(?:drive/(?:\w+/)*folders/|open\?id=)([\w-]{10,120})(?:[?/&#].*)?",
        secrets=("QCQUEUE_TOKEN", "QCQUEUE_CLIENT"),
        profile="colab-free",
    ),
    "s3": StoreKind(
        backend="qcqueue.stores.objects.backend:S3",
        form="s3://BUCKET/PREFIX",
        name="a bucket of Amazon S3, or of a server that speaks its protocol",
        label="the bucket",
        secrets=("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_TOKEN"),
        region_from=("AWS_REGION", "AWS_DEFAULT_REGION"),
        endpoint_from=("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"),
    ),
    "az": StoreKind(
        backend="qcqueue.stores.objects.backend:AZURE",
        form="az://CONTAINER/PREFIX",
        name="a container of Azure Blob Storage",
        label="the container",
        secrets=(
            *("AZURE_STORAGE_ACCOUNT_KEY", "AZURE_STORAGE_ACCESS_KEY", "AZURE_STORAGE_MASTER_KEY"),
            *("AZURE_STORAGE_SAS_KEY", "AZURE_STORAGE_SAS_TOKEN", "AZURE_STORAGE_TOKEN"),
            *("AZURE_STORAGE_CLIENT_SECRET", "AZURE_CLIENT_SECRET"),
        ),
        endpoint_from=("AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT"),
    ),
    "gs": StoreKind(
        backend="qcqueue.stores.objects.backend:GOOGLE",
        form="gs://BUCKET/PREFIX",
        name="a bucket of Google Cloud Storage",
        label="the bucket",
        secrets=(
            *("GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_SERVICE_ACCOUNT", "GOOGLE_SERVICE_ACCOUNT_PATH"),
            "GOOGLE_SERVICE_ACCOUNT_KEY",
        ),
    ),
}
# What leads to a queue on a server beside a store; whoever has no business with it starts no session on it either.
_OF_SERVERS = ("QCQUEUE_DATABASE", "PGPASSWORD", "PGPASSFILE")
_DATABASE = re.compile(r"\s*postgres(?:ql)?(?:\+\w*)?:", re.IGNORECASE)
EXAMPLES = "qcqueue init --store folder:queue, or --store gdrive:new for a new folder on Google Drive"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreAddress:
    """A store as its URL names it: a scheme of the table, and an address that its backend has accepted."""

    scheme: str
    address: str

    @property
    def url(self) -> str:
        return f"{self.scheme}:{self.address}"

    @property
    def kind(self) -> StoreKind:
        return STORES[self.scheme]

    @property
    def backend(self) -> Backend:
        return backend_of(self.scheme)

    @property
    def is_new(self) -> bool:
        """Whether it stands for a queue that is still to be made, and given an address of its own."""
        return self.address == self.kind.new


def backend_of(scheme: str) -> Backend:
    """Return a member of the table. Raises: KeyError: there is none of that name."""
    module, _, attribute = STORES[scheme].backend.partition(":")
    backend: Backend = getattr(import_module(module), attribute)
    return backend


def as_url(typed: str) -> str:
    """Return the URL of the store that a link of a browser shows, anything else as it is."""
    for scheme, kind in STORES.items():
        if kind.link and (found := re.fullmatch(kind.link, typed.strip(), re.ASCII)):
            return f"{scheme}:{found[1]}"
    return typed


def parse_url(url: str, *, source: str) -> StoreAddress:
    """Return what a URL, or a link of a browser, names. source: where it was found, for messages.

    Raises: SettingInvalid: it is of no known kind, names nothing, or names a place that cannot be used.
    """
    scheme, _, rest = as_url(url).partition(":")
    address = backend_of(scheme).parse(rest, source=source) if scheme in STORES and rest else None
    if address is None and names_database(url):
        raise SettingInvalid(
            f"the store {bare_url(url)!r} (from {source}) is a database, and no store",
            hint="name it as QCQUEUE_DATABASE, or as database in qcqueue.toml; and as the store where the files lie, "
            "such as s3://BUCKET/PREFIX",
        )
    if address is None:
        raise SettingInvalid(
            f"the store {bare_url(url)!r} (from {source}) is none of {listed([kind.form for kind in STORES.values()])}",
            hint=EXAMPLES,
        )
    return StoreAddress(scheme=scheme, address=address)


def names_database(url: str) -> bool:
    """Return whether a text was meant as the address of a database on a server, well written or not."""
    return bool(_DATABASE.match(url))


def scheme_of(url: str) -> str:
    """Return the scheme of a URL; it is one of the table if the URL is a good one."""
    return url.partition(":")[0]


def kind_of(url: str | None) -> StoreKind | None:
    """Return the kind of store that a URL names, None where it names none that is known."""
    return STORES.get(scheme_of(url or ""))


def label_of(url: str) -> str:
    """Return what a short sentence calls the store of a URL."""
    kind = kind_of(url)
    return kind.label if kind else "the store"


def without_secrets(
    environ: Mapping[str, str], *, but_for: str | None = None, on_server: bool = False
) -> dict[str, str]:
    """Return the environment for a child process that has no business with any store, or only with that of a URL.

    on_server: it has business with the database server beside that store, too.
    """
    needed = kind.secrets if (kind := kind_of(but_for)) else ()
    secrets = {name for each in STORES.values() for name in each.secrets} - {*needed}
    secrets |= set() if on_server else {*_OF_SERVERS}
    return {name: value for name, value in environ.items() if name not in secrets}
