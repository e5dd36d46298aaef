"""Hypothesis profiles for the whole suite. `ci` draws the same examples every time; `dev` looks for new ones.

No profile has a deadline: the machines of continuous integration, and ours under a second suite, are slow at will.
"""

import os

from hypothesis import settings

settings.register_profile("dev", deadline=None, max_examples=60)
settings.register_profile("ci", deadline=None, max_examples=100, derandomize=True, database=None)
settings.load_profile("ci" if os.environ.get("CI") else "dev")
