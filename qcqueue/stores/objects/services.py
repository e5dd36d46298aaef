"""What sets the three kinds of buckets apart: what they are called, and which variables say who asks.

Credentials come from the environment, or from the role of the machine, and from nowhere else.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A row of the table.

    scheme: of its URLs. container: what it calls a bucket. keys: the variables that hold credentials, in words.
    credentials: those that are handed to obstore as they stand in the environment; it knows more, and the role.
    region_variable, endpoint_variable: where the environment says where it is, "" where it need not be said.
    make: what to type to have one made, given its name. keeps_parts: whether parts of uploads that were cut short stay
    until a rule removes them. not_tried: what of it nobody has tried yet, "" where all was.
    """

    scheme: str
    container: str = "bucket"
    keys: str
    credentials: tuple[str, ...]
    region_variable: str = ""
    endpoint_variable: str = ""
    make: str
    keeps_parts: bool = True
    not_tried: str = ""


SERVICES: Mapping[str, Service] = {
    service.scheme: service
    for service in (
        Service(
            scheme="s3",
            keys="AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
            credentials=("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"),
            region_variable="AWS_REGION",
            endpoint_variable="AWS_ENDPOINT_URL",
            make="aws s3 mb s3://{}, with --endpoint-url URL where it is not Amazon's",
        ),
        Service(
            scheme="az",
            container="container",
            keys="AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
            credentials=("AZURE_STORAGE_ACCOUNT_NAME", "AZURE_STORAGE_ACCOUNT_KEY", "AZURE_STORAGE_SAS_TOKEN"),
            endpoint_variable="AZURE_STORAGE_ENDPOINT",
            make="az storage container create --name {}",
            keeps_parts=False,
        ),
        Service(
            scheme="gs",
            keys="GOOGLE_APPLICATION_CREDENTIALS",
            credentials=("GOOGLE_APPLICATION_CREDENTIALS",),
            make="gcloud storage buckets create gs://{}",
            not_tried="not tested against Google",
        ),
    )
}
