"""What a provider charges beside the accelerators: bytes that leave, bytes that stay."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aigc_bench.core.records import Estimate, Record
from aigc_bench.plan.interval import estimate

if TYPE_CHECKING:
    from aigc_bench.catalog.loader import Catalogue
    from aigc_bench.catalog.records import StorageItem

EGRESS = {"aws": "egress_aws", "azure": "egress_azure", "gcp": "egress_gcp", "oci": "egress_oci"}
OBJECTS = {"aws": "s3_standard", "azure": "azure_blob_hot", "gcp": "gcs_standard", "oci": "oci_standard"}
"""Rows of storage.csv by provider."""


class AddOns(Record):
    """USD of a byte that leaves to the internet, and of a byte kept in object storage for a month; ``None`` is not known."""

    provider: str
    egress_usd_per_byte: Estimate | None
    storage_usd_per_byte_month: Estimate | None
    missing: tuple[str, ...] = ()


def add_ons(provider: str, *, catalogue: Catalogue) -> AddOns:
    """The add-on prices of a provider; what the catalogue lacks is said."""
    egress = catalogue.storage.get(EGRESS.get(provider, ""))
    objects = catalogue.storage.get(OBJECTS.get(provider, ""))
    leaving = _usd(egress, egress.usd_per_byte_egress if egress else None, unit="usd/B", catalogue=catalogue)
    staying = _usd(objects, objects.usd_per_byte_month if objects else None, unit="usd/B-month", catalogue=catalogue)
    missing = [name for name, price in (("egress", leaving), ("object storage", staying)) if price is None]
    return AddOns(
        provider=provider,
        egress_usd_per_byte=leaving,
        storage_usd_per_byte_month=staying,
        missing=tuple(f"the catalogue has no price of {name} at {provider}" for name in missing),
    )


def _usd(row: StorageItem | None, value: float | None, *, unit: str, catalogue: Catalogue) -> Estimate | None:
    if row is None or value is None:
        return None
    spread = catalogue.constant("api_price_spread").value
    ends = {"low": value * (1 - spread), "high": value * (1 + spread)}
    return estimate(value, **ends, unit=unit, basis=row.basis, source=f"{row.source}, {row.as_of}")
