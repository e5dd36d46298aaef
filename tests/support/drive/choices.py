"""What the documentation leaves open, as values: a test can turn each the other way and must still pass.

The defaults are the answers that are hardest on a client, so that nothing comes to rest on a promise nobody made.
"""

from dataclasses import dataclass

WEEK_S = 7 * 24 * 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """deleted_ids_are_free: the id of a file that was deleted for good can be inserted again.
    conflict_at_end: a resumable insert of a taken id is refused at its last chunk rather than when it starts.
    reserved_ttl_s: how long an unused reserved id stays usable; None is for ever.
    properties_merge: properties in a patch are merged by key (null removes) rather than replacing all of the app's.
    """

    deleted_ids_are_free: bool = True
    conflict_at_end: bool = False
    reserved_ttl_s: float | None = None
    properties_merge: bool = True
    session_ttl_s: float = WEEK_S
    access_token_ttl_s: float = 3600.0
    testing_grant_ttl_s: float = WEEK_S
    tokens_per_client: int = 100
    children_limit: int = 500_000
    largest_single_request_bytes: int = 5_000_000
