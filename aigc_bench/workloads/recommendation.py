"""Recommendation: DLRM (Naumov et al. 2019, arXiv 1906.00091), the chance of a click from counts and categories.

Tables are capped at ``max_rows`` rows each, as MLPerf does at 40 million, so that they fit the memory at hand; the cap changes
memory and cache hits, not the bytes looked up. Training is plain SGD, which needs no state of the tables, with gradients of the
looked-up rows only (``sparse_gradients``, the reference's way) or of whole tables.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from aigc_bench.core.messages import message
from aigc_bench.core.records import Case, Stage
from aigc_bench.workloads._training import OPTIMIZER_IMPORTS, TrainingStep, training_stages
from aigc_bench.workloads.base import NUM_INPUT_BATCHES, Preset, Program, Settings, Setup, Workload

if TYPE_CHECKING:
    import torch

# As the reference's script for Criteo Kaggle.
LEARNING_RATE = 0.1

_TERABYTE_ROWS = (
    40_000_000, 39_060, 17_295, 7_424, 20_265, 3, 7_122, 1_543, 63, 40_000_000, 3_067_956, 405_282, 10, 2_209, 11_938, 155, 4, 976,
    14, 40_000_000, 40_000_000, 40_000_000, 590_152, 12_973, 108, 36,
)  # fmt: skip
"""Rows of the 26 tables of Criteo's terabyte click logs, capped at 40 million."""

_KAGGLE_ROWS = (
    1_460, 583, 10_131_227, 2_202_608, 305, 24, 12_517, 633, 3, 93_145, 5_683, 8_351_593, 3_194, 27, 14_992, 5_461_306, 10, 5_652,
    2_173, 4, 7_046_547, 18, 15, 286_181, 105, 142_572,
)  # fmt: skip
"""Rows of the 26 tables of Criteo's Kaggle display advertising challenge."""

_MULTI_HOT = (3, 2, 1, 2, 6, 1, 1, 1, 1, 7, 3, 8, 1, 6, 9, 5, 1, 1, 1, 12, 100, 27, 10, 3, 1, 1)
"""Rows of each table that one sample looks up in MLPerf's multi-hot data set."""

_MLPERF = "github.com/mlcommons/training, {} (Criteo terabyte, tables capped at 40 M rows)"

_PRESETS = {
    "dlrm-criteo-1tb": Preset(
        title=message("DLRM on Criteo terabyte, 26.1 G parameters"),
        source="Naumov et al. 2019; " + _MLPERF.format("recommendation/dlrm: MLPerf Training v0.7 to v2.1"),
        config={
            "table_rows": _TERABYTE_ROWS, "embedding_dim": 128, "num_dense": 13, "bottom": (512, 256, 128),
            "top": (1024, 1024, 512, 256, 1),
        },
        num_params=26_137_996_161,
    ),
    "dlrm-dcnv2": Preset(
        title=message("DLRM-DCNv2 on multi-hot Criteo terabyte, 26.1 G parameters"),
        source="Wang et al. 2020, arXiv 2008.13535; " + _MLPERF.format("recommendation_v2/torchrec_dlrm (MLPerf v3.0)"),
        config={
            "table_rows": _TERABYTE_ROWS, "embedding_dim": 128, "num_dense": 13, "bottom": (512, 256, 128),
            "top": (1024, 1024, 512, 256, 1), "num_cross_layers": 3, "cross_rank": 512, "hot": _MULTI_HOT,
        },
        num_params=26_151_671_809,
    ),
    "dlrm-criteo-kaggle": Preset(
        title=message("DLRM on Criteo Kaggle, 541 M parameters"),
        source="Naumov et al. 2019, section 5; github.com/facebookresearch/dlrm, bench/dlrm_s_criteo_kaggle.sh",
        config={
            "table_rows": _KAGGLE_ROWS, "embedding_dim": 16, "num_dense": 13, "bottom": (512, 256, 64, 16), "top": (512, 256, 1),
        },
        num_params=540_677_217,
    ),
    "tiny": Preset(
        title=message("DLRM on Criteo Kaggle with tables of at most 5,000 rows, for CPUs"),
        source=message("dlrm-criteo-kaggle with smaller tables and MLPs"),
        config={
            "table_rows": _KAGGLE_ROWS, "embedding_dim": 16, "num_dense": 13, "bottom": (64, 16), "top": (64, 1),
        },
        defaults={"max_rows": 5_000},
        num_params=1_122_417,
    ),
}  # fmt: skip


class RecommendationSettings(Settings):
    """How large the tables may be, and what their gradients are."""

    max_rows: int = Field(
        default=40_000_000, ge=10, le=40_000_000, description=message("most rows of a table; larger ones are cut")
    )
    sparse_gradients: bool = Field(
        default=True, description=message("gradients of the rows looked up only, not of whole tables (training)")
    )


class Recommendation(Workload):
    """Throughput counts samples: pairs of a user and an item, scored in inference, learnt from in training."""

    title: ClassVar[str] = "Recommendation"
    item: ClassVar[str] = "sample"
    settings: ClassVar[type[Settings]] = RecommendationSettings
    presets: ClassVar[Mapping[str, Preset]] = _PRESETS

    def imports(self, case: Case) -> tuple[str, ...]:
        """The network; for training also what torch's optimizers import when first made."""
        return ("aigc_bench.nets.dlrm", *OPTIMIZER_IMPORTS) if case.mode == "train" else ("aigc_bench.nets.dlrm",)

    def stages(self, case: Case) -> tuple[Stage, ...]:
        """One pass over the batch."""
        if case.mode == "train":
            return training_stages(items=case.batch_size)
        return (Stage(name="score", items=case.batch_size),)

    def build(self, case: Case, setup: Setup) -> Program:
        """The model with seeded features, row indices and, for training, clicks."""
        self.validate(case)
        config, options = dict(self.preset(case).config), self.options(case)
        # A setting of the inputs, not of the network: rows that a sample looks up in each table.
        hot = config.pop("hot", (1,) * len(config["table_rows"]))
        config["table_rows"] = tuple(min(rows, options.max_rows) for rows in config["table_rows"])
        model = setup.build(lambda: _make(config, sparse_gradients=options.sparse_gradients))
        inputs = [_features(case, setup, config=config, hot=hot) for _ in range(NUM_INPUT_BATCHES)]
        return _train(case, setup, model, inputs) if setup.training else _infer(setup, model, inputs)


workload = Recommendation()

Features = tuple["torch.Tensor", tuple["torch.Tensor", ...]]


def _make(config: Mapping[str, Any], *, sparse_gradients: bool) -> torch.nn.Module:
    from aigc_bench.nets.dlrm import DLRM

    return DLRM(**config, sparse_gradients=sparse_gradients)


def _features(case: Case, setup: Setup, *, config: Mapping[str, Any], hot: tuple[int, ...]) -> Features:
    """Dense features of standard-normal values and, for each table, ``(batch, hot)`` rows drawn uniformly.

    Uniform rows are the hard case: real ones repeat more, and hit the cache more often.
    """
    pairs = zip(config["table_rows"], hot, strict=True)
    indices = tuple(setup.tokens(case.batch_size, count, vocab_size=rows) for rows, count in pairs)
    return setup.normal(case.batch_size, config["num_dense"]), indices


def _infer(setup: Setup, model: torch.nn.Module, inputs: list[Features]) -> Program:
    import torch

    executed: Any = setup.prepare(model)
    state: dict[str, Any] = {}

    def begin(step: int) -> None:
        state["features"] = inputs[step % NUM_INPUT_BATCHES]

    def score(repeat: int) -> None:
        with torch.inference_mode():
            state["chances"] = torch.sigmoid(executed(*state["features"]))

    def check() -> Mapping[str, float | str | bool | None]:
        chances = state["chances"].float()
        return {"finite": bool(torch.isfinite(chances).all()), "mean": float(chances.mean())}

    return Program(begin=begin, stages={"score": score}, modules=(model,), check=check)


def _train(case: Case, setup: Setup, model: torch.nn.Module, inputs: list[Features]) -> Program:
    import torch

    executed: Any = setup.prepare(model)
    batches = [(features, setup.tokens(case.batch_size, vocab_size=2).float()) for features in inputs]

    def loss(batch: tuple[Features, torch.Tensor]) -> torch.Tensor:
        features, clicks = batch
        return torch.nn.functional.binary_cross_entropy_with_logits(executed(*features).float(), clicks)

    # Adam would keep two states for each row of the tables, and takes no sparse gradients.
    optimizer = torch.optim.SGD(model.parameters(), lr=LEARNING_RATE)
    return TrainingStep(setup, loss=loss, batches=batches, optimizer=optimizer).program(model)
