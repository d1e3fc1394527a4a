import pytest
import torch

from aigc_bench.core.records import Case
from aigc_bench.nets.dlrm import DLRM
from aigc_bench.predict.tracing.trace import trace
from aigc_bench.workloads.recommendation import workload
from tests.workloads.stepping import count, losses, run_step


def case(mode, preset="tiny", **changes):
    return Case(workload="recommendation", preset=preset, mode=mode, **{"batch_size": 16, **changes})


@pytest.mark.parametrize("preset", list(workload.presets))
def test_every_preset_has_the_parameters_it_states(preset, make_setup):
    chosen = case("infer", preset)
    (module,) = workload.build(chosen, make_setup(chosen, device="meta")).modules
    assert count(module) == workload.presets[preset].num_params


def test_a_cap_cuts_the_large_tables_only(make_setup):
    chosen = case("infer", "dlrm-criteo-kaggle", settings={"max_rows": 1000})
    (module,) = workload.build(chosen, make_setup(chosen, device="meta")).modules
    rows = [table.num_embeddings for table in module.tables]
    assert max(rows) == 1000
    assert min(rows) == 3
    assert len(rows) == 26


def test_every_pair_of_vectors_meets_once():
    torch.manual_seed(0)
    network = DLRM(table_rows=(5, 7), embedding_dim=4, num_dense=3, bottom=(4,), top=(1,))
    vectors = torch.randn(2, 3, 4)
    dotted = network._dotted(vectors[:, 0], vectors)
    pairs = [(vectors[:, i] * vectors[:, j]).sum(dim=1) for i, j in ((0, 1), (0, 2), (1, 2))]
    torch.testing.assert_close(dotted, torch.cat([vectors[:, 0], torch.stack(pairs, dim=1)], dim=1))


def test_a_cross_layer_of_zeros_passes_everything_on():
    network = DLRM(table_rows=(5,), embedding_dim=4, num_dense=3, bottom=(4,), top=(1,), num_cross_layers=2, cross_rank=3)
    for layer in network.cross:
        torch.nn.init.zeros_(layer.expand.weight)
        torch.nn.init.zeros_(layer.expand.bias)
    vectors = torch.randn(2, 2, 4)
    torch.testing.assert_close(network._crossed(vectors), vectors.flatten(1))


def test_several_rows_of_a_table_are_summed():
    network = DLRM(table_rows=(5,), embedding_dim=4, num_dense=3, bottom=(4,), top=(1,))
    (table,) = network.tables
    torch.testing.assert_close(table(torch.tensor([[1, 3]])), (table.weight[1] + table.weight[3]).unsqueeze(0))


def test_sparse_and_dense_gradients_learn_the_same(make_setup):
    said = []
    for sparse in (True, False):
        chosen = case("train", settings={"sparse_gradients": sparse})
        said.append(losses(workload.build(chosen, make_setup(chosen)), workload, chosen, rounds=2))
    assert [check["loss"] for check in said[0]] == pytest.approx([check["loss"] for check in said[1]], rel=1e-4)
    assert said[0][-1]["loss"] < said[0][0]["loss"]


def optimizer_bytes(traced):
    return sum(op.count * op.moved_bytes for _, _, op in traced.operators() if op.phase == "optimizer")


def test_sparse_gradients_move_the_rows_looked_up_and_dense_ones_the_tables():
    sparse, dense = (trace(case("train", settings={"sparse_gradients": is_sparse})) for is_sparse in (True, False))
    assert sparse.flops == dense.flops
    rows = [min(rows, 5000) for rows in workload.presets["tiny"].config["table_rows"]]
    row_bytes, index_bytes, looked_up = 16 * 4, 8, 16
    tables = 3 * row_bytes * sum(rows)
    # of each table 16 rows (all, where it has fewer) are read and written, by as many rows of gradients and their numbers
    touched = sum(2 * row_bytes * min(looked_up, own) + looked_up * (row_bytes + index_bytes) for own in rows)
    assert optimizer_bytes(sparse) == pytest.approx(optimizer_bytes(dense) - tables + touched, rel=0.001)


def test_scoring_reads_of_each_table_one_row_a_sample():
    traced = trace(case("infer"))
    (stage,) = traced.stages
    gathers = [op for point in stage.points for op in point.operators if op.kind == "gather" and op.params_read_bytes]
    assert sum(op.count * op.params_read_bytes for op in gathers) <= 26 * 16 * 16 * 4


def test_chances_are_between_none_and_certainty(make_setup):
    chosen = case("infer")
    program = workload.build(chosen, make_setup(chosen))
    run_step(program, workload, chosen)
    assert 0.0 < program.check()["mean"] < 1.0
