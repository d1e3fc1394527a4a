"""Switch counts against published reference architectures, and what holds for every fabric."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigc_bench.plan.site.fabric import Fabric, management_switches, size_fabric, split

NODES = st.integers(0, 4000)
PORTS = st.sampled_from([32, 40, 64, 128, 144])
RATIOS = st.sampled_from([1.0, 1.5, 2.0, 3.0])


@pytest.mark.parametrize(
    ("gpus", "leaves", "spines", "topology"),
    [(64, 1, 0, "single_switch"), (512, 16, 8, "leaf_spine"), (2048, 64, 32, "leaf_spine"), (4096, 128, 64, "rail_planes")],
)
def test_switch_counts_are_those_of_the_reference_architectures(gpus: int, leaves: int, spines: int, topology: str) -> None:
    fabric = size_fabric(gpus // 8, nics_per_node=8, ports=64)
    assert (fabric.leaves, fabric.spines, fabric.super_spines, fabric.topology) == (leaves, spines, 0, topology)


def test_two_to_one_halves_the_uplinks_of_a_leaf() -> None:
    dense, thin = (size_fabric(64, nics_per_node=8, ports=64, oversubscription=ratio) for ratio in (1.0, 2.0))
    assert split(64, 2.0) == (42, 22)
    assert (thin.leaves, thin.spines, thin.leaf_uplinks) == (13, 5, 286)
    assert thin.switches < dense.switches


def test_beyond_the_radix_a_third_level_joins_pods() -> None:
    largest = size_fabric(2048, nics_per_node=8, ports=64)
    assert (largest.topology, largest.planes, largest.leaves) == ("rail_planes", 8, 512)
    larger = size_fabric(16_384, nics_per_node=8, ports=64)
    assert larger.topology == "three_tier"
    assert larger.super_spines > 0
    assert larger.spine_uplinks == larger.leaf_uplinks


def test_more_nics_than_three_levels_hold_are_refused_with_the_numbers() -> None:
    with pytest.raises(ValueError, match="80,000 NICs are more than three levels of 8-port switches in 8 planes hold"):
        size_fabric(10_000, nics_per_node=8, ports=8)


def test_nothing_needs_no_fabric() -> None:
    assert size_fabric(0, nics_per_node=8, ports=64).switches == 0
    assert size_fabric(7, nics_per_node=0, ports=64).links == 0
    assert management_switches(0) == 0
    assert management_switches(49) == 2


@given(NODES, PORTS, RATIOS)
def test_no_switch_has_more_links_than_ports(nodes: int, ports: int, ratio: float) -> None:
    fabric = size_fabric(nodes, nics_per_node=8, ports=ports, oversubscription=ratio)
    assert fabric.nic_links + fabric.leaf_uplinks <= fabric.leaves * ports
    assert fabric.leaf_uplinks + fabric.spine_uplinks <= fabric.spines * ports
    assert fabric.spine_uplinks <= fabric.super_spines * ports


@given(NODES, PORTS, RATIOS)
def test_uplinks_carry_what_the_oversubscription_promises(nodes: int, ports: int, ratio: float) -> None:
    fabric = size_fabric(nodes, nics_per_node=8, ports=ports, oversubscription=ratio)
    if fabric.spines:
        assert fabric.leaf_uplinks * ratio >= fabric.nic_links


@given(NODES, NODES, PORTS, RATIOS)
def test_more_nodes_never_need_fewer_leaves_or_links(first: int, second: int, ports: int, ratio: float) -> None:
    def size(nodes: int) -> Fabric:
        return size_fabric(nodes, nics_per_node=8, ports=ports, oversubscription=ratio)

    small, large = size(min(first, second)), size(max(first, second))
    assert small.leaves <= large.leaves
    assert small.links <= large.links
    assert small.switches <= large.switches


@given(st.integers(1, 2000), PORTS)
def test_a_thinner_fabric_never_has_more_links(nodes: int, ports: int) -> None:
    dense, thin = (size_fabric(nodes, nics_per_node=8, ports=ports, oversubscription=ratio) for ratio in (1.0, 2.0))
    assert thin.leaf_uplinks <= dense.leaf_uplinks
