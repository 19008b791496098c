"""List prices by region: the one table to edit when AWS changes a price, or for a region that is not here.

US dollars, without the free tier, storage, logs or transfer, and without the discounts for billions of GB-seconds. A
region stands here only if each of its figures was found; others are taken for `us-east-1`, and whoever shows a price
says so. It is a module, and no other file, because functions need it too (`limits.dollars`), and they are shipped
modules alone. Whence each figure; all are what others wrote down of AWS's own lists, collected 2026-11-27:

[L] Lambda: AWS's pricing calculator (meteredUnitMaps/lambda), as kept by Remotion, where each price has its rate code.
[A] Lambda: artillery 2.0.28, from aws.amazon.com/lambda/pricing: one price for all regions but five, none of them here.
S3, PUT and LIST: AWS's Price List, group S3-API-Tier1, of 2026-05, as kept by s3du, and where GET was read.
S3, GET: AWS's Price List of the region (offers/v1.0/aws/AmazonS3/current/REGION), read on the day in the row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Architecture = Literal["x86_64", "arm64"]


@dataclass(frozen=True, kw_only=True)
class Prices:
    """US dollars per unit. PUT and LIST requests cost the same; HEAD is a GET."""

    #: Whose they are, and of which region they were asked for; "" if nobody knows.
    region: str = ""
    asked: str = ""
    gb_second: dict[Architecture, float]
    lambda_request: float
    s3_put: float
    s3_list: float
    s3_get: float
    #: Of EventBridge, for what S3 tells it: https://aws.amazon.com/eventbridge/pricing/ counts that among "opt-in data
    #: events", which are paid for, unlike what AWS tells it by itself; $1.00 a million, the same in the regions here.
    bus_event: float = 1.00 / 1_000_000


# fmt: off
#: By region: a GB-second of Lambda on x86_64 and arm64; a million Lambda requests; a thousand PUT, LIST and GET of S3.
_LIST: dict[str, tuple[float, float, float, float, float, float]] = {
    #                  x86_64            arm64            million PUT     LIST     GET           source; GET read
    "us-east-1":       (0.000_016_666_7, 0.000_013_333_4, 0.20, 0.005,   0.005,   0.000_4),    # [L], 2026-09-28
    "us-east-2":       (0.000_016_666_7, 0.000_013_333_4, 0.20, 0.005,   0.005,   0.000_4),    # [L], 2026-07-23
    "us-west-2":       (0.000_016_666_7, 0.000_013_333_4, 0.20, 0.005,   0.005,   0.000_4),    # [L], 2026-09-14
    "ca-central-1":    (0.000_016_666_7, 0.000_013_333_4, 0.20, 0.005_5, 0.005_5, 0.000_44),   # [A], 2026-09-20
    "sa-east-1":       (0.000_016_666_7, 0.000_013_333_4, 0.20, 0.007,   0.007,   0.000_56),   # [A], 2026-09-26
    "eu-west-1":       (0.000_016_666_7, 0.000_013_333_4, 0.20, 0.005,   0.005,   0.000_4),    # [L], 2026-09-06
    "eu-west-3":       (0.000_016_666_7, 0.000_013_333_4, 0.20, 0.005_3, 0.005_3, 0.000_42),   # [A], 2026-09-28
    "eu-central-1":    (0.000_016_666_7, 0.000_013_333_4, 0.20, 0.005_4, 0.005_4, 0.000_43),   # [L], 2026-09-28
    "eu-north-1":      (0.000_016_666_7, 0.000_013_333_4, 0.20, 0.005,   0.005,   0.000_4),    # [A], 2026-08-30
    "ap-south-1":      (0.000_016_666_7, 0.000_013_333_4, 0.20, 0.005,   0.005,   0.000_4),    # [L], 2026-09-13
    "ap-southeast-1":  (0.000_016_666_7, 0.000_013_333_4, 0.20, 0.005,   0.005,   0.000_4),    # [L], 2026-09-26
    "ap-southeast-2":  (0.000_016_666_7, 0.000_013_333_4, 0.20, 0.005_5, 0.005_5, 0.000_44),   # [L], 2026-09-10
    "ap-southeast-3":  (0.000_016_666_7, 0.000_013_333_4, 0.20, 0.005,   0.005,   0.000_4),    # [A], 2026-09-18
    "ap-northeast-1":  (0.000_016_666_7, 0.000_013_333_4, 0.20, 0.004_7, 0.004_7, 0.000_37),   # [L], in 2026
    "ap-northeast-2":  (0.000_016_666_7, 0.000_013_333_4, 0.20, 0.004_5, 0.004_5, 0.000_35),   # [A], in 2026
}
# fmt: on

#: Whose prices stand for those of a region that is not in the list, or that nobody knows.
DEFAULT_REGION = "us-east-1"
REGIONS = frozenset(_LIST)


def prices_of(region: str = "") -> Prices:
    """The prices of a region, or of `DEFAULT_REGION`; `Prices.region` says whose they are."""
    found = region if region in _LIST else DEFAULT_REGION
    x86_64, arm64, million, put, list_, get = _LIST[found]
    return Prices(
        region=found,
        asked=region,
        gb_second={"x86_64": x86_64, "arm64": arm64},
        lambda_request=million / 1_000_000,
        s3_put=put / 1_000,
        s3_list=list_ / 1_000,
        s3_get=get / 1_000,
    )


def whose(region: str, priced: str) -> str:
    """`list prices of eu-west-1`; or that those of `priced` stand for those of `region`, or for an unknown one's."""
    if region == priced:
        return f"list prices of {priced}"
    why = f"those of {region} are not in run/status/price_list.py" if region else "no region is known"
    return f"list prices of {priced}: {why}"
