"""Shares and sizes that every plan uses, from the catalogue where it has them, else stated here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from aigc_bench.core.messages import message
from aigc_bench.core.records import Estimate, Record
from aigc_bench.plan.stats.estimates import GENERAL, assumed

if TYPE_CHECKING:
    from aigc_bench.catalog.loader import Catalogue


class Rules(Record):
    """Shares and sizes that every plan uses, each with its source."""

    usable_memory: Estimate
    usable_storage: Estimate
    link_goodput: Estimate
    checkpoint_bytes_per_param: Estimate
    checkpoints_kept: Estimate
    checkpoint_stall_s: Estimate
    hours_between_interruptions: Estimate
    restart_s: Estimate
    dataset_copies: Estimate
    beside_load: Estimate
    ups_efficiency: Estimate
    machine_availability: Estimate
    target_utilisation: Estimate
    off_peak_share: Estimate
    job_goodput: Estimate


FROM_CATALOGUE: Mapping[str, str] = {
    "usable_memory": "usable_memory_fraction",
    "usable_storage": "usable_storage_fraction",
    "checkpoint_bytes_per_param": "checkpoint_bytes_per_param",
    "checkpoints_kept": "checkpoints_kept",
    "checkpoint_stall_s": "checkpoint_stall_s",
    "hours_between_interruptions": "gpu_hours_per_interruption",
    "restart_s": "job_restart_s",
    "dataset_copies": "dataset_copies",
    "beside_load": "beside_servers_load_fraction",
    "ups_efficiency": "ups_efficiency",
    "target_utilisation": "utilisation_target",
}
"""Rules whose value is a row of ``constants.csv``."""
ASSUMED: Mapping[str, tuple[float, float, float, str]] = {
    "link_goodput": (0.8, 0.9, 0.95, message("payload share of a link after framing and TCP")),
    # With repairs of a day (``replay.jobs``) about two failures a year.
    "machine_availability": (0.99, 0.995, 0.999, message("one server with repair within days")),
    "off_peak_share": (0.0, 0.1, 0.3, message("service load at night over the peak, while jobs run")),
    "job_goodput": (0.8, 0.9, 0.97, message("share of a job's window spent on its steps, without checkpoints")),
}
"""Shares without a published source: low end, value, high end, and what it is."""


def rules_from(catalogue: Catalogue) -> Rules:
    """Return the planner's rules from the catalogue's constants."""
    known = {name: catalogue.constant(row) for name, row in FROM_CATALOGUE.items()}
    guessed = {
        name: assumed(value, low=low, high=high, unit="fraction", source=message("{what}; {general}", what=what, general=GENERAL))
        for name, (low, value, high, what) in ASSUMED.items()
    }
    return Rules(**known, **guessed)
