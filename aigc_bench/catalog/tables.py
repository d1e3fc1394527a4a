"""What each data file holds: its record, and the field, type and unit of every column whose name differs.

A column's name carries the unit people write (``memory_gib``); here stands once what turns it into the record's SI field.
A column that is not listed goes to the field of its own name as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from aigc_bench.catalog import records as r
from aigc_bench.catalog.api_facts import ApiDiscount, ApiLatency
from aigc_bench.catalog.cloud_price import CloudPrice
from aigc_bench.catalog.sale import Sale
from aigc_bench.catalog.transfers import EgressAndStorage
from aigc_bench.core.messages import message
from aigc_bench.core.records import Record
from aigc_bench.core.units import GIB, MIB

# International table BTU: 1,055.056 J in an hour.
W_PER_BTU_PER_H = 1 / 3.412141633
# A foot is 0.3048 m exactly.
M3_PER_S_PER_CFM = 0.3048**3 / 60


@dataclass(frozen=True, kw_only=True)
class Column:
    """Where a column goes: ``field`` (dotted into a nested record or mapping), a number times ``scale``, rounded if whole."""

    field: str
    scale: float = 1.0
    is_number: bool = False
    is_whole: bool = False


@dataclass(frozen=True, kw_only=True)
class Table:
    """One data file: its name (the file is ``data/<name>.csv``), its record, the noun for a row, and its columns."""

    name: str
    record: type[Record]
    noun: str
    columns: Mapping[str, Column] = field(default_factory=dict)


def _to(field_name: str, scale: float = 1.0, rounding: Literal["", "whole"] = "") -> Column:
    return Column(field=field_name, scale=scale, is_number=True, is_whole=rounding == "whole")


_PRICE = {
    "price_low_usd": _to("price.low"),
    "price_mid_usd": _to("price.mid"),
    "price_high_usd": _to("price.high"),
    "price_source": Column(field="price.source"),
    "price_as_of": Column(field="price.as_of"),
    "price_kind": Column(field="price.kind"),
}
# Integer operations are printed as TOPS, floating-point ones as TFLOP/s.
_PEAKS = {f"{dtype}_{'tops' if dtype == 'int8' else 'tflops'}": _to(f"peak_flops.{dtype}", 1e12) for dtype in r.DTYPES}

_TABLES = (
    Table(
        name="accelerators",
        record=r.AcceleratorSpec,
        noun="accelerator",
        columns={
            **_PEAKS,
            **_PRICE,
            "memory_gib": _to("memory_bytes", GIB, "whole"),
            "usable_memory_mib": _to("usable_memory_bytes", MIB, "whole"),
            "memory_bandwidth_gb_per_s": _to("memory_bandwidth_bytes_per_s", 1e9),
            "l2_mib": _to("l2_bytes", MIB, "whole"),
            "scale_up_gb_per_s_per_direction": _to("scale_up_bytes_per_s", 1e9),
        },
    ),
    Table(
        name="usable_memory",
        record=r.UsableMemory,
        noun="accelerator",
        columns={"nominal_gib": _to("nominal_bytes", GIB, "whole"), "reported_mib": _to("reported_bytes", MIB, "whole")},
    ),
    Table(name="sales", record=Sale, noun="sale"),
    Table(name="accelerator_ranges", record=r.AcceleratorRange, noun=message("accelerator range")),
    Table(
        name="servers",
        record=r.ServerSpec,
        noun="server",
        columns={
            **_PRICE,
            "heat_btu_per_h": _to("heat_w", W_PER_BTU_PER_H),
            "airflow_cfm": _to("airflow_m3_per_s", M3_PER_S_PER_CFM),
            "ram_gib": _to("ram_bytes", GIB, "whole"),
            "compute_nic_gbit_per_s": _to("compute_nic_bytes_per_s", 1e9 / 8),
            "frontend_nic_gbit_per_s": _to("frontend_nic_bytes_per_s", 1e9 / 8),
        },
    ),
    Table(name="measured_power", record=r.MeasuredPower, noun=message("measured server power")),
    Table(name="power_caps", record=r.PowerCap, noun=message("power cap")),
    Table(
        name="network",
        record=r.NetworkItem,
        noun=message("network item"),
        columns={
            **_PRICE,
            # Networks and buses count in powers of 1,000, memory in powers of 1,024 (GIB).
            "gb_per_s_per_direction": _to("bytes_per_s", 1e9),
            "port_gbit_per_s": _to("port_bytes_per_s", 1e9 / 8),
            "latency_us": _to("latency_s", 1e-6),
        },
    ),
    Table(
        name="storage",
        record=r.StorageItem,
        noun=message("storage item"),
        columns={
            "read_gb_per_s": _to("read_bytes_per_s", 1e9),
            "write_gb_per_s": _to("write_bytes_per_s", 1e9),
            "read_kiops": _to("read_iops", 1e3),
            "latency_us": _to("latency_s", 1e-6),
            "capacity_tb": _to("capacity_bytes", 1e12),
            # USD per TB to USD per byte.
            "low_usd_per_tb": _to("low_usd_per_byte", 1e-12),
            "mid_usd_per_tb": _to("mid_usd_per_byte", 1e-12),
            "high_usd_per_tb": _to("high_usd_per_byte", 1e-12),
            "usd_per_gb_month": _to("usd_per_byte_month", 1e-9),
            "usd_per_gb_egress": _to("usd_per_byte_egress", 1e-9),
        },
    ),
    Table(name="cooling", record=r.CoolingFact, noun=message("cooling fact")),
    Table(name="power", record=r.PowerFact, noun=message("power fact")),
    Table(name="carbon", record=r.CarbonFact, noun=message("carbon fact")),
    Table(name="constants", record=r.Constant, noun="constant"),
    Table(name="cloud_prices", record=CloudPrice, noun=message("cloud price")),
    Table(name="api_prices", record=r.ApiPrice, noun=message("API price")),
    Table(name="api_latency", record=ApiLatency, noun=message("API latency")),
    Table(name="api_discounts", record=ApiDiscount, noun=message("API discount")),
    Table(
        name="egress_storage",
        record=EgressAndStorage,
        noun=message("egress and storage price"),
        columns={
            "free_egress_gb_month": _to("free_egress_bytes_per_month", 1e9),
            # USD per GB to USD per byte; the tiers are a text that their record reads.
            "egress_usd_per_gb": Column(field="egress"),
            "inter_region_usd_per_gb": _to("inter_region_usd_per_byte", 1e-9),
            "object_usd_per_gb_month": _to("object_usd_per_byte_month", 1e-9),
            "block_usd_per_gb_month": _to("block_usd_per_byte_month", 1e-9),
        },
    ),
    Table(name="fx_tax", record=r.ExchangeOrTax, noun=message("exchange rate or tax")),
    Table(
        name="cpus",
        record=r.CpuSpec,
        noun="CPU",
        columns={
            "server_memory_gib": _to("server_memory_bytes", GIB, "whole"),
            "memory_bandwidth_gb_per_s_per_socket": _to("memory_bandwidth_bytes_per_s_per_socket", 1e9),
        },
    ),
    Table(name="vcpu_power", record=r.VcpuPower, noun=message("vCPU power")),
    Table(
        name="datasets",
        record=r.DatasetProfile,
        noun=message("data set"),
        columns={
            "total_gb": _to("total_bytes", 1e9),
            "mean_sample_kb": _to("mean_sample_bytes", 1e3),
            "duration_h": _to("duration_s", 3600.0),
        },
    ),
    Table(name="aliases", record=r.Alias, noun="alias"),
    Table(name="regions", record=r.RegionAlias, noun="region"),
)
TABLES: Mapping[str, Table] = {table.name: table for table in _TABLES}
