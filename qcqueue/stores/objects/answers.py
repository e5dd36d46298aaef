"""What an answer of a bucket, or its absence, means: ours as an error, in words for whoever asked.

obstore says what went wrong as text. Of that only what machines wrote for machines is read: the status, the code in the
body, how a connection ended. Nothing of it is quoted, because it holds addresses, and an address can be a key.
"""

import re
from dataclasses import dataclass

from qcqueue.errors import (
    DigestMismatch,
    OutcomeUnknown,
    QcqueueError,
    StoreAway,
    StoreBusy,
    StoreDenied,
    StoreError,
    StoreFull,
    StoreMissing,
)
from qcqueue.stores.objects.address import BucketPlace

LATER = "try again in a minute"

_STATUS = re.compile(r"status code: (\d{3})\b")
_CODE = re.compile(r"<Code>(\w{1,60})</Code>")
_REGION = re.compile(r"<Region>([0-9a-z-]{1,40})</Region>")
_CONNECTION = re.compile(r"\bkind: (Connect|Timeout)\b")
# How a server of Amazon says that a bucket is another region's, and obstore, which does not go there.
_REDIRECT = "BareRedirect"
_AGAIN = re.compile(r"\bafter [1-9]\d* retries\b")
# Where a machine of a cloud is asked for the keys of its role, and how the clouds' libraries call that.
_ROLE = re.compile(
    r"\b169\.254\.\d+\.\d+\b|token request|InvalidAccessKey \{|WebIdentity"
    r"|Missing(?:Account|AccessKeyId|SecretAccessKey)|service account"
)

NO_BUCKET = {"NoSuchBucket", "ContainerNotFound", "InvalidBucketName", "ContainerBeingDeleted"}
WRONG_REGION = {"PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException"}
BAD_KEY = {
    *("InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "TokenRefreshRequired"),
    *("AuthenticationFailed", "AuthorizationFailure", "InvalidAuthenticationInfo", "NoAuthenticationInformation"),
}
WRONG_CLOCK = {"RequestTimeTooSkewed", "RequestExpired"}
OTHER_BYTES = {"BadDigest", "InvalidDigest", "XAmzContentSHA256Mismatch", "Md5Mismatch", "InvalidChecksum"}
FULL = {"QuotaExceeded", "XMinioStorageFull", "EntityTooLarge", "AccountLimitExceeded"}
# Statuses above 500 that say that nothing was done.
NOT_BEGUN = (501, 507)
SLOW = {"SlowDown", "SlowDownWrite", "SlowDownRead", "ServerBusy", "OperationAborted", "OperationTimedOut"}


@dataclass(frozen=True, slots=True, kw_only=True)
class BucketAnswer:
    """What is known of a request that did not succeed.

    status: 0 where there was no answer. code: of the server's own list. connection: how it failed, as obstore calls it.
    region: the one that the server names as right. was_repeated: it stands for several requests. of_role: it was asked
    for credentials, and not yet for the bucket.
    """

    status: int
    code: str
    connection: str
    region: str
    was_repeated: bool
    of_role: bool

    @classmethod
    def of(cls, text: str) -> "BucketAnswer":
        """Read what obstore says of it."""
        return cls(
            status=301 if _REDIRECT in text else int(_first(_STATUS, text) or 0),
            code=_first(_CODE, text),
            connection=_first(_CONNECTION, text),
            region=_first(_REGION, text),
            was_repeated=_AGAIN.search(text) is not None,
            of_role=_ROLE.search(text) is not None,
        )

    @property
    def says_no_bucket(self) -> bool:
        """Whether there is no bucket; a 404 without a code says only that there is no object."""
        return self.code in NO_BUCKET

    @property
    def says_nothing_there(self) -> bool:
        """Whether an object is there and ends before the bytes that were asked for, as an empty one does."""
        return self.status == 416

    @property
    def was_unanswered(self) -> bool:
        """Whether it, or one before it, may have been carried out all the same."""
        has_failed = self.status >= 500 and self.status not in NOT_BEGUN
        return self.was_repeated or has_failed or (self.status == 0 and self.connection != "Connect")


def error_for(text: str, place: BucketPlace, *, changes: bool) -> QcqueueError:
    """Return what to raise for a request that did not succeed. changes: whether it asked for a change."""
    answer = BucketAnswer.of(text)
    error = _error_for(answer, place)
    if changes and answer.was_unanswered and not answer.of_role and isinstance(error, StoreError):
        return OutcomeUnknown(f"{error}, and may have done what it was asked", hint=error.hint)
    return error


def _error_for(answer: BucketAnswer, place: BucketPlace) -> QcqueueError:
    url, service = place.url, place.service
    the_bucket = f"the {service.container} {place.bucket}"
    if answer.of_role:
        return StoreDenied(
            f"this machine has no credentials for {url}",
            hint=f"set {service.keys} in its environment, or give the machine a role",
        )
    if answer.says_no_bucket:
        return StoreMissing(
            f"there is no {service.container} {place.bucket}",
            hint=f"make it first: {service.make.format(place.bucket)}",
        )
    if answer.code in WRONG_REGION or (300 <= answer.status < 400) or answer.region:
        right = f'"{answer.region}"' if answer.region else "..."
        return StoreDenied(
            f"{the_bucket} is in another region than was asked",
            hint=f"set region = {right} in qcqueue.toml, or {service.region_variable or 'the region'} so",
        )
    if answer.code in BAD_KEY or answer.status == 401:
        return StoreDenied(
            f"{the_bucket} does not accept the credentials of this machine",
            hint=f"check {service.keys}, and whether they have ended",
        )
    if answer.code in WRONG_CLOCK:
        return StoreDenied(
            f"{the_bucket} refuses this machine, because its clock is wrong",
            hint="switch on automatic date and time in the settings of this machine",
        )
    if answer.status == 403:
        return StoreDenied(
            f"these credentials may not do in {url} what a queue needs",
            hint=f"allow reading, writing, deleting and listing below {place.prefix}/",
        )
    if answer.code in OTHER_BYTES:
        return DigestMismatch(f"what arrived in {url} is not what was sent", hint=LATER)
    if answer.code in FULL or answer.status == 507:
        return StoreFull(f"{the_bucket} takes no more bytes", hint="make room there, or raise its limit")
    if answer.code in SLOW or answer.status in (408, 409, 429) or (answer.status >= 500 and answer.status != 501):
        return StoreBusy(f"{the_bucket} is busy", hint=LATER)
    if answer.connection == "Connect":
        return StoreAway(f"{the_bucket} cannot be reached from this machine", hint=_reach(place))
    if answer.status == 0:
        return StoreBusy(f"{the_bucket} did not answer", hint=LATER)
    return StoreError(
        f"{the_bucket} refuses a request ({answer.status} {answer.code or 'no reason given'})", hint="qcqueue doctor"
    )


def _reach(place: BucketPlace) -> str:
    where = place.service.endpoint_variable
    endpoint = f", and the endpoint in qcqueue.toml or {where} if it has one" if where else ""
    return f"check its connection{endpoint}; then try again"


def _first(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.search(text)
    return found[found.re.groups] if found else ""
