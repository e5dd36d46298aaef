import pytest

pytest.register_assert_rewrite("qcqueue.testing.conformance")
