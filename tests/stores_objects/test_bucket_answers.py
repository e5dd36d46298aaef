"""Every answer of a bucket is an error with a sentence and a way out, and none repeats an address or a key."""

from collections.abc import Callable
from pathlib import Path

import pytest

from qcqueue.errors import (
    DigestMismatch,
    ExtraMissing,
    OutcomeUnknown,
    QcqueueError,
    StoreBusy,
    StoreDenied,
    StoreError,
    StoreFull,
    StoreMissing,
)
from qcqueue.stores.base import Access
from qcqueue.stores.objects import bucket as bucket_module
from qcqueue.stores.objects.address import BucketPlace
from qcqueue.stores.objects.bucket import AskLimits, Bucket
from tests.stores_objects.objects import CREDENTIALS, made_up
from tests.support.servers.between import Asked, answer, between

NOWHERE = "http://127.0.0.1:9"


def said(code: str, more: str = "") -> str:
    return f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>secret words</Message>{more}</Error>"


ANSWERS = [
    (404, said("NoSuchBucket"), StoreMissing, "there is no bucket bucket", "aws s3 mb s3://bucket"),
    (
        403,
        said("AccessDenied"),
        StoreDenied,
        "may not do in s3://bucket/queue",
        "reading, writing, deleting and listing",
    ),
    (403, said("InvalidAccessKeyId"), StoreDenied, "does not accept the credentials", "AWS_ACCESS_KEY_ID"),
    (403, said("SignatureDoesNotMatch"), StoreDenied, "does not accept the credentials", "AWS_SECRET_ACCESS_KEY"),
    (400, said("ExpiredToken"), StoreDenied, "does not accept the credentials", "whether they have ended"),
    (403, said("RequestTimeTooSkewed"), StoreDenied, "its clock is wrong", "automatic date and time"),
    (400, said("BadDigest"), DigestMismatch, "is not what was sent", "try again"),
    (507, said("XMinioStorageFull"), StoreFull, "takes no more bytes", "make room"),
    (418, "", StoreError, r"refuses a request \(418 no reason given\)", "qcqueue doctor"),
    (
        400,
        said("AuthorizationHeaderMalformed", "<Region>eu-west-1</Region>"),
        StoreDenied,
        "another region",
        '"eu-west-1"',
    ),
    (301, said("PermanentRedirect"), StoreDenied, "another region", "AWS_REGION"),
]


@pytest.mark.parametrize(("status", "body", "kind", "sentence", "hint"), ANSWERS)
@pytest.mark.parametrize(
    "ask",
    [
        lambda it: it.create("name", b"bytes"),
        lambda it: it.read_piece("name", 0, 9),
        lambda it: list(it.list("folder")),
    ],
    ids=["create", "read", "list"],
)
def test_a_refusal_is_told_in_words_with_a_way_out(
    ask: Callable[[Bucket], object], status: int, body: str, kind: type[QcqueueError], sentence: str, hint: str
) -> None:
    with between(NOWHERE, answer(status, body)) as server:
        with pytest.raises(kind, match=sentence) as caught:
            ask(made_up(server.endpoint))
        told = f"{caught.value} {caught.value.hint}"
        assert hint in told
        assert "secret" not in told
        assert server.endpoint not in told
        assert caught.value.__cause__ is None
        assert caught.value.__suppress_context__


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_server_that_is_busy_may_have_done_what_it_was_asked(status: int) -> None:
    with between(NOWHERE, answer(status, said("SlowDown"))) as server:
        bucket = made_up(server.endpoint)
        with pytest.raises(StoreBusy, match="bucket is busy") as caught:
            bucket.read_piece("name", 0, 9)
        assert not isinstance(caught.value, OutcomeUnknown)
        with pytest.raises(StoreBusy, match="bucket is busy") as changed:
            bucket.create("name", b"bytes")
        assert isinstance(changed.value, OutcomeUnknown) == (status >= 500)


def test_a_refusal_after_a_lost_answer_says_nothing_of_the_first_request() -> None:
    answers = iter([(503, said("SlowDown")), (403, said("AccessDenied"))])

    def change(asked: Asked) -> None:
        status, body = next(answers)
        asked.answer = status, body.encode()

    with between(NOWHERE, change) as server:
        bucket = made_up(server.endpoint, limits=AskLimits(timeout_s=5.0, repeats=3, in_all_s=10.0))
        with pytest.raises(OutcomeUnknown, match="and may have done what it was asked"):
            bucket.create("name", b"bytes")


def test_obstore_asks_a_busy_server_again_and_we_do_not() -> None:
    with between(NOWHERE, answer(503, said("SlowDown"))) as server:
        for repeats in (0, 2):
            server.seen.clear()
            bucket = made_up(server.endpoint, limits=AskLimits(timeout_s=5.0, repeats=repeats, in_all_s=10.0))
            with pytest.raises(StoreBusy):
                bucket.read_piece("name", 0, 9)
            assert len(server.seen) == repeats + 1


def test_what_is_not_there_is_no_error_and_a_bucket_that_is_not_there_is_one() -> None:
    with between(NOWHERE, answer(404, said("NoSuchKey"))) as server:
        bucket = made_up(server.endpoint)
        assert (bucket.read_piece("name", 0, 9), bucket.look("name")) == (None, None)
        bucket.remove("name")
        server.change = answer(404, said("NoSuchBucket"))
        for ask in (lambda: bucket.read_piece("name", 0, 9), lambda: bucket.look("name")):
            with pytest.raises(StoreMissing, match="there is no bucket bucket"):
                ask()


@pytest.mark.parametrize("scheme", ["s3", "az", "gs"])
def test_credentials_that_cannot_be_used_are_told_before_anything_is_asked(scheme: str, tmp_path: Path) -> None:
    broken = {
        "s3": {"AWS_SECRET_ACCESS_KEY": "secret"},
        "az": {"AZURE_STORAGE_ACCOUNT_NAME": "account", "AZURE_STORAGE_ACCOUNT_KEY": "!secret!"},
        "gs": {"GOOGLE_APPLICATION_CREDENTIALS": str(tmp_path / "secret.json")},
    }[scheme]
    place = BucketPlace(scheme=scheme, bucket="bucket", prefix="queue")
    bucket = Bucket(
        place,
        Access(cache=tmp_path, config=tmp_path, environ=broken),
        AskLimits(timeout_s=1.0, repeats=0, in_all_s=1.0),
    )
    with pytest.raises(StoreDenied, match=f"this machine has no credentials for {scheme}://bucket/queue") as caught:
        bucket.read_piece("name", 0, 9)
    assert "secret" not in f"{caught.value} {caught.value.hint}"


def test_without_obstore_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bucket_module, "find_spec", lambda name: None)
    with pytest.raises(ExtraMissing, match=r"s3:// needs obstore, which is not installed") as caught:
        made_up(NOWHERE)
    assert caught.value.hint == "pip install obstore"


def test_google_is_marked_as_not_tried(tmp_path: Path) -> None:
    place = BucketPlace(scheme="gs", bucket="bucket", prefix="queue")
    assert place.service.not_tried == "not tested against Google"
    assert [name for name in CREDENTIALS if "GOOGLE" in name] == []
