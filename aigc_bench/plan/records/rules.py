"""Shares and sizes that every plan uses, from the catalogue where it has them, else stated here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aigc_bench.core.messages import message
from aigc_bench.core.records import Estimate, Record
from aigc_bench.plan.stats.estimates import assumed

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


GENERAL = message("unverified (general knowledge)")


def rules_from(catalogue: Catalogue) -> Rules:
    """Return the planner's rules from the catalogue's constants."""
    constant = catalogue.constant
    return Rules(
        usable_memory=constant("usable_memory_fraction"),
        usable_storage=constant("usable_storage_fraction"),
        checkpoint_bytes_per_param=constant("checkpoint_bytes_per_param"),
        checkpoints_kept=constant("checkpoints_kept"),
        checkpoint_stall_s=constant("checkpoint_stall_s"),
        hours_between_interruptions=constant("gpu_hours_per_interruption"),
        restart_s=constant("job_restart_s"),
        dataset_copies=constant("dataset_copies"),
        beside_load=constant("beside_servers_load_fraction"),
        ups_efficiency=constant("ups_efficiency"),
        target_utilisation=constant("utilisation_target"),
        link_goodput=assumed(
            0.9,
            low=0.8,
            high=0.95,
            unit="fraction",
            source=message("payload share of a link after framing and TCP; {general}", general=GENERAL),
        ),
        # With repairs of a day (``replay.jobs``) about two failures a year.
        machine_availability=assumed(
            0.995,
            low=0.99,
            high=0.999,
            unit="fraction",
            source=message("one server with repair within days; {general}", general=GENERAL),
        ),
        off_peak_share=assumed(
            0.1,
            low=0.0,
            high=0.3,
            unit="fraction",
            source=message("service load at night over the peak, while jobs run; {general}", general=GENERAL),
        ),
        job_goodput=assumed(
            0.9,
            low=0.8,
            high=0.97,
            unit="fraction",
            source=message("share of a job's window spent on its steps, without checkpoints; {general}", general=GENERAL),
        ),
    )
