"""How long the report on 12 models of 300 epochs takes after imports, its page and all of it, and how large that is.

The study is made up, as in the tests: its models have answered on 1,036 images that are as rich as photographs, so that
every section has all it can hold. What is measured is everything between what was stored and the files on the disk.
"""

import argparse
import json
import statistics
import tempfile
from pathlib import Path

from qcqueue.clock import SystemClock
from qcqueue.reports.files import PAGE_READY
from qcqueue.reports.write import write_report
from tests.browser.pages import STUDIES

ROUNDS = 3
PAGE_TARGET_S, TARGET_S = 8.0, 18.0
TARGET_BYTES = 3_000_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE")
    out = parser.parse_args().json
    study = STUDIES["12 x 300"]()
    clock = SystemClock()
    seconds: list[float] = []
    pages: list[float] = []

    def narrate(text: str) -> None:
        if text == PAGE_READY:
            pages.append(clock.monotonic_s() - begun_s)

    with tempfile.TemporaryDirectory() as folder:
        for _ in range(ROUNDS):
            begun_s = clock.monotonic_s()
            page = write_report(study, folder=Path(folder) / "report", narrate=narrate).page
            seconds.append(clock.monotonic_s() - begun_s)
        size_bytes = page.stat().st_size
        all_bytes = sum(path.stat().st_size for path in page.parent.rglob("*") if path.is_file())
    print(f"12 models x 300 epochs; {ROUNDS} rounds")
    print(f"page alone     {statistics.median(pages):8.2f} s   (wanted: at most {PAGE_TARGET_S:.0f} s)")
    print(f"first report   {seconds[0]:8.2f} s   (wanted: at most {TARGET_S:.0f} s)")
    print(f"median         {statistics.median(seconds):8.2f} s")
    print(f"page           {size_bytes / 1e6:8.2f} MB  (wanted: at most {TARGET_BYTES / 1e6:.0f} MB)")
    print(f"all its files  {all_bytes / 1e6:8.2f} MB")
    if out:
        out.write_text(json.dumps({"seconds": seconds, "page_bytes": size_bytes, "all_bytes": all_bytes}))


if __name__ == "__main__":
    main()
