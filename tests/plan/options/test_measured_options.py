"""Measured machines among the hosts of a plan, and alone."""

from __future__ import annotations

from aigc_bench.plan.hardware.measured_runs import MeasuredMachine
from aigc_bench.plan.options.measured_options import examine_measured
from tests.plan.build import make_demand, make_job, make_machine, make_rules, make_service

RULES = make_rules()
OWN = MeasuredMachine(machine=make_machine(), cases={}, num_accelerators=0)
MEASURED, GAP = make_demand(), make_demand(services=(make_service(), make_service(name="pictures", workload="diffusion")), jobs=())


def test_among_other_hosts_a_machine_without_every_load_is_refused_with_the_reason() -> None:
    found = examine_measured(GAP, measured=(OWN,), rules=RULES, is_alone=False)
    assert found.options == ()
    assert [(one.accelerator, one.reason.partition(":")[0]) for one in found.refused] == [(OWN.machine.name, "pictures")]


def test_alone_it_carries_what_it_was_measured_with_and_names_the_rest() -> None:
    found = examine_measured(GAP, measured=(OWN,), rules=RULES, is_alone=True)
    assert [[load.name for load in option.loads] for option in found.options] == [["chat"]]
    assert [gap.name for gap in found.unplanned] == ["pictures"]
    assert found.refused == ()


def test_a_machine_with_an_accelerator_of_the_catalogue_is_a_host_there_already() -> None:
    own = MeasuredMachine(machine=make_machine(accelerator="h100_sxm_80gb"), cases={}, num_accelerators=1)
    assert examine_measured(MEASURED, measured=(own,), rules=RULES, is_alone=False).options == ()
    assert examine_measured(MEASURED, measured=(own,), rules=RULES, is_alone=True).options


def test_machines_of_their_own_are_compared_only_where_there_is_more_than_one_load() -> None:
    one = examine_measured(make_demand(jobs=()), measured=(OWN,), rules=RULES, is_alone=False).options
    two = examine_measured(make_demand(jobs=(make_job(),)), measured=(OWN,), rules=RULES, is_alone=False).options
    assert [option.placement for option in one] == ["pooled"]
    assert [option.placement for option in two] == ["pooled", "dedicated"]
