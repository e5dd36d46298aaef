"""`store copy A B`: moving a queue, whole and verified, from any home into any other, and back.

It goes in steps. Any of them may be cut, and the same command typed again:

1. Look. A answers, no session is at work on it, and B is empty, a copy of A that was begun, or where A came from.
2. Begin. A notes that it is being copied to B, under a token that is drawn for this run of the command. Then B says
   that it is half a copy of A under this token, where it still says what it said before. A new B says so in the
   transaction that makes it; one that gets its address only then (`gdrive:new`) is found again by A's note.
3. Bytes. Every blob that A has is fetched, which verifies it, and put into B (`copy_blobs`). What lies there whole from
   an earlier run is not put again.
4. Rows. One transaction on B replaces all rows and compares them with A's (`database.rows_copy`). Blobs lie in other
   places there, and one that A had lost and nothing needs is said to be deleted. B says that it is a copy of A of this
   token, with the digest of all that it holds now.
5. Move. One transaction on A: where it still holds what was copied, and notes this token, it says that it was moved to
   B, with token and digest. Else the difference is copied first, from step 3 on.
6. Settle. B forgets that it was a copy; `qcqueue.toml` names B, where it named A.

The fifth step alone moves the queue. Before it A answers, and B says whose copy it is. After it A says where the queue
is, and B answers: as long as it has not settled it asks A whether the queue was moved here, under this token with this
digest (`answering`), and its first change settles it. So at every instant one home answers, and the other names it.

- A session that comes in between changes A, so the fifth step fails and the session is seen. One that was asleep is
  refused by A; its attempt is a row in B too, and ends there like any that vanished.
- Of two who type the command at once, whoever noted a token last may do the fifth step, and the other is refused there.
  Whoever changes B sees in the same transaction that it still says what this run has read before its note, or has said
  itself: so nobody changes a B that A was moved to.
- B may be out of reach of A. Where step 6 was cut, B answers only those who can ask A; the command finishes it.

`--undo` is the same the other way, with nothing to bring: B notes a token; A says that it is a copy of B with the
digest it was moved with, and still refuses; in one transaction B says that it was moved to A, where it holds just that;
then A settles. Where B has changed, a copy from B to A brings that: a home whose queue was moved to the source may be
copied into.

Always true: a blob is named in B only once it lies there whole; what is refused has changed nothing that anybody is
answered from.
"""

import contextlib
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qcqueue.app.answering import moved
from qcqueue.app.context import create_queue
from qcqueue.app.copy_blobs import BlobCopy, seconds_for
from qcqueue.app.homes import QueueHome, follow, home_of
from qcqueue.database.row_audit import audit_rows
from qcqueue.database.rows_copy import digest_of_rows, replace_rows
from qcqueue.errors import (
    BlobMissing,
    ConflictError,
    CorruptionError,
    DigestMismatch,
    IllegalTransition,
    NameTaken,
    SettingInvalid,
    StoreBusy,
    StoreFull,
    StoreMissing,
)
from qcqueue.queue.copied import BlobToCopy, blobs_there, blobs_to_copy, say_deleted
from qcqueue.queue.history import record_event
from qcqueue.queue.job_lines import job_lines
from qcqueue.queue.moves import (
    NOTHING_SAID,
    OF_ONE_HOME,
    Move,
    Residence,
    is_unused,
    residence_of,
    say_copied,
    say_copying,
    say_moved,
    say_no_copy,
    settle,
)
from qcqueue.stores.base import Moved, silently
from qcqueue.stores.registry import StoreAddress
from qcqueue.text.humanize import size

if TYPE_CHECKING:
    from sqlalchemy import Connection, Table

# Whoever changes the queue between copying and moving has the difference copied; nobody does so for ever.
ROUNDS_MAX = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreCopy:
    """What was done, or would be. source, target: addresses of homes; jobs, files, size_bytes: all that the queue has.

    left_files, left_bytes: what of it was still to be brought when it began; seconds: how long that is likely to take,
    None where it is done, or nothing is left. settings_file: the one that names the target now.
    """

    source: str
    target: str
    jobs: int
    files: int
    size_bytes: int
    left_files: int = 0
    left_bytes: int = 0
    seconds: float | None = None
    settings_file: Path | None = None
    is_done: bool = True


def copy_store(
    typed_source: str,
    typed_target: str,
    *,
    here: Path,
    environment: Mapping[str, str] | None = None,
    dry_run: bool = False,
    progress: Moved = silently,
) -> StoreCopy:
    """Move the queue of one home into another, or finish what was begun. here: the folder whose settings follow.

    environment: of the process, unless another is given.
    Raises: QueueMoved: it is in a third home. ConflictError: a session is at work. NameTaken: the target holds another
    queue. SettingInvalid. StoreError. CorruptionError: something that the queue needs is damaged.
    """
    source, target = _homes(typed_source, typed_target, here, environment)
    if source.url == target.url:
        raise SettingInvalid(f"A and B are both {source.url}", hint="name an empty place as B")
    at_source = _residence_of_source(source)
    target = _noted(target, at_source)
    if at_source.moved_to:
        if at_source.moved_to.home != target.url:
            raise moved(source.url, at_source.moved_to)
        if not dry_run:
            _settle(target, at_source.moved_to)
    else:
        source.check_answers()
        _check_apart(source, target)
        source.check_nobody_works(again=command(source, target))
        before = _may_be_copied_into(source, target)
        plan = _planned(source, target, before)
        if dry_run:
            return plan
        target = _Copying(source, target, before, progress).run()
    return _told(target, source, target, None if dry_run else follow(source, target), is_done=not dry_run)


def undo_copy(
    typed_source: str,
    typed_target: str,
    *,
    here: Path,
    environment: Mapping[str, str] | None = None,
    dry_run: bool = False,
) -> StoreCopy:
    """Let the queue be kept in A again, which was moved to B; A and B are typed as when it was moved.

    Raises: IllegalTransition: it was not, or has changed since. QueueMoved, ConflictError, StoreError: as `copy_store`.
    """
    source, target = _homes(typed_source, typed_target, here, environment)
    at_source = _residence_of_source(source)
    if at_source.moved_to and target.address.store.is_new:
        target = target.at(at_source.moved_to.home)
    if at_source.moved_to is None:
        _check_undone(source, target)
    elif at_source.moved_to.home != target.url:
        raise moved(source.url, at_source.moved_to)
    else:
        _take_back(source, target, at_source, dry_run=dry_run)
    # As long as it is only looked at, the queue is still in B.
    kept_in = target if dry_run and at_source.moved_to else source
    file = None if dry_run else follow(target, source)
    return _told(kept_in, target, source, file, is_done=not dry_run)


def _homes(source: str, target: str, here: Path, environment: Mapping[str, str] | None) -> tuple[QueueHome, QueueHome]:
    return home_of(source, "A", here, environment), home_of(target, "B", here, environment)


def command(source: QueueHome, target: QueueHome, *, undo: bool = False) -> str:
    """Return what to type to copy one home into another, or to take that back."""
    return f"qcqueue store copy {shlex.quote(source.url)} {shlex.quote(target.url)}{' --undo' if undo else ''}"


def _residence_of_source(source: QueueHome) -> Residence:
    try:
        return source.residence()
    except StoreMissing as exc:
        raise StoreMissing(str(exc), hint="name as A where the queue is; qcqueue status says it") from exc


def _told(
    kept_in: QueueHome, source: QueueHome, target: QueueHome, settings_file: Path | None, *, is_done: bool
) -> StoreCopy:
    with kept_in.context.read() as tx:
        jobs, wanted = len(job_lines(tx)), blobs_to_copy(tx)
    return StoreCopy(
        source=source.url,
        target=target.url,
        jobs=jobs,
        files=len(wanted),
        size_bytes=_bytes_of(wanted),
        settings_file=settings_file,
        is_done=is_done,
    )


def _noted(target: QueueHome, at_source: Residence) -> QueueHome:
    """Return the home that an earlier run has made for this copy, where one was made, and is still there."""
    noted = at_source.moved_to or at_source.copying_to
    if target.address.store.is_new and noted and target.address.is_like(target.at(noted.home).address):
        made = target.at(noted.home)
        with contextlib.suppress(StoreMissing):
            create_queue(made.settings, dry_run=True)
            return made
    return target


def _check_apart(source: QueueHome, target: QueueHome) -> None:
    """Raises: SettingInvalid: who removes the old home once the queue has left it would remove the new one too."""
    before, after = source.address.store, target.address.store
    if before == after or before.kind.is_path != after.kind.is_path:
        return
    if before.kind.is_path:
        old, new = Path(before.address).resolve(), Path(after.address).resolve()
    elif before.scheme == after.scheme:
        old, new = Path(before.address), Path(after.address)
    else:
        return
    if new.is_relative_to(old):
        sentence = f"A and B are both {old}" if new == old else f"{target.url} lies within {source.url}"
        raise SettingInvalid(sentence, hint="name an empty place as B that lies elsewhere")


def _may_be_copied_into(source: QueueHome, target: QueueHome) -> Residence | None:
    """Return what the target says of itself, None where it is still to be made. Raises: NameTaken, QueueMoved."""
    if create_queue(target.settings, dry_run=True).is_new:
        return None
    try:
        there = target.residence()
    except (StoreMissing, CorruptionError) as exc:
        if isinstance(exc, StoreMissing) or target.is_empty_file:  # its making was cut
            return None
        raise
    came_from = there.copied_from and there.copied_from.home
    went_to = there.moved_to and there.moved_to.home
    if source.url in (came_from, went_to):
        return there
    if there.moved_to:
        raise moved(target.url, there.moved_to)
    if there.copied_from:
        finish = command(source.at(there.copied_from.home), target)
        raise NameTaken(
            f"{target.url} is a copy of {came_from} that was begun",
            hint=f"{finish}, which finishes it; or name an empty place as B",
        )
    with target.context.read() as tx:
        if not is_unused(tx):
            raise NameTaken(f"{target.url} holds a queue already", hint="name an empty place as B")
    return there


def _planned(source: QueueHome, target: QueueHome, before: Residence | None) -> StoreCopy:
    with source.context.read() as tx:
        jobs, wanted = len(job_lines(tx)), blobs_to_copy(tx)
    there = {}
    if before is not None:
        with target.context.database_itself.read() as tx:
            there = dict(blobs_there(tx))
    left = [it for it in wanted if it.blob.sha256 not in there]
    free_bytes = target.context.free_bytes() if before is not None else None
    if free_bytes is not None and free_bytes < _bytes_of(left):
        raise StoreFull(
            f"{target.url} has {size(free_bytes)} free, and the queue takes {size(_bytes_of(left))} more there",
            hint=f"make room there, then {command(source, target)}",
        )
    return StoreCopy(
        source=source.url,
        target=target.url,
        jobs=jobs,
        files=len(wanted),
        size_bytes=_bytes_of(wanted),
        left_files=len(left),
        left_bytes=_bytes_of(left),
        seconds=seconds_for(source.context, wanted, there),
        is_done=False,
    )


def _bytes_of(wanted: Sequence[BlobToCopy]) -> int:
    return sum(it.blob.size_bytes for it in wanted)


class _Copying:
    """One run of the command, from step 2 on. before: what the target said of itself, None where it is to be made."""

    def __init__(self, source: QueueHome, target: QueueHome, before: Residence | None, progress: Moved) -> None:
        self._source = source
        self._target = target
        self._before = before
        self._progress = progress
        self._token = source.context.ids.new()

    def run(self) -> QueueHome:
        """Carry it out; return the target, under the address that it has by then."""
        said = self._begin()
        blobs = BlobCopy(self._source.context, self._target.context, check=lambda tx: self._check_says(tx, said))
        for _ in range(ROUNDS_MAX):
            self._bring(blobs)
            if (rows := self._fill(blobs, said)) is None:
                continue
            held, said = rows
            if self._move(held, said):
                _settle(self._target, said)
                return self._target
        raise StoreBusy(
            f"the queue of {self._source.url} was changed {ROUNDS_MAX} times while it was copied",
            hint=f"when nobody changes it: {self._command}",
        )

    @property
    def _command(self) -> str:
        return command(self._source, self._target)

    def _begin(self) -> Move:
        """Note the copy in the source, then have the target say that it is half a one."""
        said = Move(home=self._source.url, token=self._token, digest="")
        if self._before is None:
            if not self._target.address.store.is_new:
                self._note(self._target.url)

            def remember(address: StoreAddress) -> None:
                if self._target.address.store.is_new:
                    self._target = self._target.with_store(address)
                    self._note(self._target.url)

            if create_queue(self._target.settings, remember=remember, first=partial(say_copied, move=said)).is_new:
                return said
            raise self._overtaken()
        self._note(self._target.url)

        def begin(tx: "Connection") -> bool:
            there = residence_of(tx)
            if there.copying_to and there.copying_to.token == self._token:  # which was noted in the source
                settle(tx)
                return False
            if there != self._before or (there == NOTHING_SAID and not is_unused(tx)):
                raise self._overtaken()
            say_copied(tx, said)
            return True

        if not self._target.context.database_itself.transact(begin):
            raise SettingInvalid(
                f"{self._source.url} and {self._target.url} are one queue, whose address is written in two ways",
                hint="name an empty place as B",
            )
        return said

    def _note(self, home: str) -> None:
        note = Move(home=home, token=self._token, digest="")
        self._source.context.transact(lambda tx: say_copying(tx, note))

    def _bring(self, blobs: BlobCopy) -> None:
        wanted = self._wanted()
        try:
            blobs.bring(wanted, progress=self._progress)
        except (BlobMissing, DigestMismatch) as exc:
            if self._wanted() != wanted:  # somebody has let go of it meanwhile
                return
            raise CorruptionError(
                f"{exc}; a queue is moved when it is whole", hint=self._source.address.types("store verify")
            ) from exc

    def _wanted(self) -> tuple[BlobToCopy, ...]:
        with self._source.context.read() as tx:
            return blobs_to_copy(tx)

    def _fill(self, blobs: BlobCopy, said: Move) -> tuple[str, Move] | None:
        """Bring the rows; return the digest of the source's and what the target says then, None where bytes lack."""
        self._source.check_nobody_works(self._command)
        with self._source.context.read() as rows:
            wanted = blobs_to_copy(rows)
            if not blobs.has(wanted):
                return None
            if flaws := audit_rows(rows).flaws:
                raise CorruptionError(
                    f"the queue of {self._source.url} is damaged, and is moved when it is whole: {flaws[0].says}",
                    hint=self._source.address.types("store verify"),
                )
            held = digest_of_rows(rows, but_settings=OF_ONE_HOME)

            def change(table: "Table", row: dict[str, Any]) -> dict[str, Any]:
                if table.name != "blobs":
                    return row
                lies = blobs.there.get(row["sha256"])
                return {**row, "place": lies.place if lies else ""}

            def fill(tx: "Connection") -> Move:
                self._check_says(tx, said)
                replace_rows(tx, rows, but_settings=OF_ONE_HOME, change=change)
                if digest_of_rows(tx, but_settings=OF_ONE_HOME) != held:
                    raise CorruptionError(f"the rows of {self._source.url} did not arrive in {self._target.url} whole")
                now_s = self._target.context.clock.now_s()
                say_deleted(tx, blobs.gone, now_s=now_s)
                _tell(tx, self._target, f"from {self._source.url}")
                filled = replace(said, digest=digest_of_rows(tx, but_settings=OF_ONE_HOME))
                say_copied(tx, filled)
                return filled

            return held, self._target.context.database_itself.transact(fill)

    def _move(self, held: str, said: Move) -> bool:
        """Let the source answer no more, unless it has changed since: return whether it was moved."""
        to = replace(said, home=self._target.url)

        def move(tx: "Connection") -> bool:
            self._check_noted(tx)
            if digest_of_rows(tx, but_settings=OF_ONE_HOME) != held:
                return False
            _tell(tx, self._source, f"to {to.home}")
            say_moved(tx, to)
            return True

        return self._source.context.transact(move)

    def _check_says(self, tx: "Connection", said: Move) -> None:
        if residence_of(tx).copied_from != said:
            raise self._overtaken()

    def _check_noted(self, tx: "Connection") -> None:
        noted = residence_of(tx).copying_to
        if noted is None or noted.token != self._token:
            raise self._overtaken()

    def _overtaken(self) -> ConflictError:
        return ConflictError(
            f"somebody else began to copy the queue of {self._source.url}, or changed {self._target.url}, meanwhile",
            hint=f"when they are done: {self._command}",
        )


def _settle(target: QueueHome, moved_to: Move) -> None:
    """Let a home forget that it was a copy. moved_to: what the source says of it."""

    def forget(tx: "Connection") -> None:
        copied_from = residence_of(tx).copied_from
        if copied_from and copied_from.is_met_by(moved_to):
            settle(tx)

    target.context.database_itself.transact(forget)


def _check_undone(source: QueueHome, target: QueueHome) -> None:
    """See that a queue was taken back already. Raises: QueueMoved. IllegalTransition: it was never moved."""
    source.check_answers()
    went_to = None
    with contextlib.suppress(StoreMissing):  # where no queue was made, none was moved to
        went_to = None if target.address.store.is_new else target.residence().moved_to
    if went_to is None or went_to.home != source.url:
        raise IllegalTransition(
            f"the queue of {source.url} was not moved, so there is nothing to undo",
            hint=source.address.types("status"),
        )


def _take_back(source: QueueHome, target: QueueHome, at_source: Residence, *, dry_run: bool) -> None:
    """Move a queue back that was not changed. at_source: what the source says of itself."""
    assert at_source.moved_to
    digest, token = at_source.moved_to.digest, source.context.ids.new()
    if not dry_run:
        _settle(target, at_source.moved_to)
    at_target = target.residence()
    if at_target.moved_to is None:
        target.check_answers()
        again = command(source, target, undo=True)
        target.check_nobody_works(again)
        with target.context.read() as tx:
            if digest_of_rows(tx, but_settings=OF_ONE_HOME) != digest:
                raise _changed(source, target)
        if dry_run:
            return
        _move_back(source, target, at_source, Move(home=source.url, token=token, digest=digest))
    elif at_target.moved_to.home != source.url:
        raise moved(target.url, at_target.moved_to)
    if not dry_run:
        at_target = target.residence()
        assert at_target.moved_to
        _settle(source, at_target.moved_to)


def _move_back(source: QueueHome, target: QueueHome, at_source: Residence, to: Move) -> None:
    overtaken = ConflictError(
        f"somebody else is moving the queue of {target.url} too", hint=command(source, target, undo=True)
    )

    def become_a_copy(tx: "Connection") -> None:
        if residence_of(tx) != at_source:
            raise overtaken
        say_copied(tx, replace(to, home=target.url))

    def move(tx: "Connection") -> bool:
        noted = residence_of(tx).copying_to
        if noted is None or noted.token != to.token:
            raise overtaken
        if digest_of_rows(tx, but_settings=OF_ONE_HOME) != to.digest:
            return False
        _tell(tx, target, f"back to {to.home}")
        say_moved(tx, to)
        return True

    def stay(tx: "Connection") -> None:
        copied_from = residence_of(tx).copied_from
        if copied_from and copied_from.token == to.token:
            say_no_copy(tx)

    target.context.transact(lambda tx: say_copying(tx, replace(to, digest="")))
    source.context.database_itself.transact(become_a_copy)
    if not target.context.transact(move):
        source.context.database_itself.transact(stay)
        raise _changed(source, target)


def _changed(source: QueueHome, target: QueueHome) -> IllegalTransition:
    return IllegalTransition(
        f"the queue has changed in {target.url} since it was moved there from {source.url}",
        hint=f"{command(target, source)}, which brings it back with what is new",
    )


def _tell(tx: "Connection", home: QueueHome, why: str) -> None:
    record_event(tx, who=home.context.who, what="moved", now_s=home.context.clock.now_s(), why=why)
