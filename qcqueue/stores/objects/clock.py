"""What time a bucket believes it is: the time it gives an object that is written now. Requests tell no other."""

from qcqueue.errors import StoreBusy
from qcqueue.stores.objects.answers import LATER
from qcqueue.stores.objects.bucket import Bucket

NAME = "clock"


class BucketClock:
    """The clock of one bucket, in whole seconds, as good as its listings. Two requests each time."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    def now_s(self) -> float:
        """Raises: StoreError: the bucket cannot be asked, or not be written."""
        self._bucket.write(NAME, b"")
        found = self._bucket.look(NAME)
        if found is None:
            raise StoreBusy(f"{self._bucket.url} does not show what was just stored", hint=LATER)
        return found.modified_s
