"""Shares and sizes that every plan uses."""

from __future__ import annotations

from aigc_bench.core.records import Estimate, Record


class Rules(Record):
    """Shares and sizes that every plan uses, each with its source; made from the catalogue by ``plan.sizing.rules``."""

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
