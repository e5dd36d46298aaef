"""How a home that nobody can mean is refused."""

import pytest

from qcqueue.app.home_address import home_address
from qcqueue.errors import SettingInvalid


@pytest.mark.parametrize(
    "typed",
    [
        "postgresql://qc:CANARY@h/qs",
        "postgres://qc:CANARY@h/qs+S3://lab/s",
        "postgresql+psycopg://qc:CANARY@h/q+s3://l/s",
    ],
)
def test_a_database_without_its_store_is_told_to_name_it_behind_a_plus(typed: str) -> None:
    with pytest.raises(SettingInvalid, match="A names a database without a store") as refused:
        home_address(typed, source="A")
    assert "behind a plus" in refused.value.next_step
    assert "CANARY" not in str(refused.value) + refused.value.next_step
