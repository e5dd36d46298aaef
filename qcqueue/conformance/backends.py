"""Everything the backend of a store owes, as a test class that is given settings which ask for a queue to be made.

It goes through `app.context` as commands do, so that a kind which passes can be made, opened, looked at and removed by
them. What the store in it owes is `stores`' and `slots`'.
"""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from qcqueue.app.context import create_queue, open_context
from qcqueue.app.settings import Settings, named_store
from qcqueue.queue.job_lines import job_lines
from qcqueue.stores.checks import Check, CheckStatus, Reached
from qcqueue.stores.registry import StoreAddress


class NobodyToAsk:
    """Implements `stores.base.Ask`."""

    has_reader = False

    @property
    def secret_help(self) -> str:
        return ""

    def secret(self, name: str) -> str | None:
        return None

    def show(self, *lines: str) -> None:
        raise AssertionError(f"there is nobody to be told {lines}")


class BackendContract:
    """Everything `stores.base.Backend` promises. Whoever derives from it has `asked` as a fixture.

    asked: settings of a machine that is signed in, and that name a queue of this kind which is not made yet.
    """

    @pytest.fixture
    def made(self, asked: Settings) -> Settings:
        """The settings of a queue that is made."""
        return replace(asked, store=create_queue(asked).url)

    def test_a_rehearsal_makes_nothing_and_has_nothing_remembered(self, asked: Settings) -> None:
        told: list[StoreAddress] = []
        assert create_queue(asked, remember=told.append, dry_run=True).is_new
        assert create_queue(asked, remember=told.append, dry_run=True).is_new
        assert told == []

    def test_making_it_twice_makes_it_once_and_says_where_it_is(self, asked: Settings) -> None:
        told: list[StoreAddress] = []
        first = create_queue(asked, remember=told.append)
        assert ([it.url for it in told], first.is_new) == ([first.url], True)
        again = create_queue(replace(asked, store=first.url))
        assert (again.url, again.is_new, again.page) == (first.url, False, first.page)

    def test_its_url_is_read_as_it_is_written(self, made: Settings) -> None:
        named = named_store(made)
        assert (named.url, named.is_new) == (made.store, False)
        assert named.kind.form.startswith(f"{named.scheme}:")
        assert (named.backend.link(named.address) or "https://").startswith("https://")

    def test_to_open_it_touches_nothing(self, made: Settings) -> None:
        before = sorted(made.cache.rglob("*"))
        place = open_context(made)
        assert place.store.url == place.store_itself.url == made.store
        assert sorted(made.cache.rglob("*")) == before

    def test_what_is_made_is_sound_and_its_queue_is_empty(self, made: Settings) -> None:
        checks, reached = looked_at(made)
        assert reached
        assert [check for check in checks if check.verdict is CheckStatus.PROBLEM] == []
        assert is_empty(made)

    def test_what_is_deleted_is_gone_for_good(self, made: Settings) -> None:
        named = named_store(made)
        for _ in range(2):
            named.backend.delete(named.address, made.access())
        checks, reached = looked_at(made)
        assert reached is None
        assert checks[-1].verdict is CheckStatus.PROBLEM
        assert checks[-1].exit_code

    def test_a_queue_beside_it_is_another_one_and_goes_alone(self, made: Settings) -> None:
        named = named_store(made)
        beside = replace(named, address=named.backend.beside(named.address, made.access()))
        other = create_queue(replace(made, store=beside.url))
        assert other.is_new
        assert other.url != made.store
        own = replace(made, store=other.url)
        assert is_empty(own)
        named.backend.delete(named_store(own).address, made.access())
        assert looked_at(own)[1] is None
        assert is_empty(made)

    def test_who_is_signed_in_is_asked_nothing(self, made: Settings) -> None:
        access = made.access()
        assert named_store(made).backend.sign_in(access, NobodyToAsk()) is access


def is_empty(settings: Settings) -> bool:
    with open_context(settings).read() as tx:
        return list(job_lines(tx)) == []


def looked_at(settings: Settings) -> tuple[list[Check], Reached | None]:
    """Return what is found in a store, and what was reached there."""
    named, reached = named_store(settings), list[Reached | None]()

    def checks() -> Iterator[Check]:
        reached.append((yield from named.backend.check(named.address, settings.access())))

    return list(checks()), reached[0]
