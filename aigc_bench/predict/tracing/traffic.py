"""Which class an operator of torch is of, and the bytes it must move: each operand once, tables by the rows looked up."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch

from aigc_bench.predict.tracing.optrace import OperatorClass

# Names as in aten's schemas, without the overload; in-place variants end in an underscore.
_GEMM = {"mm", "addmm", "bmm", "baddbmm", "addbmm", "mv", "addmv", "dot", "vdot", "_scaled_mm", "_grouped_mm"}
_GROUPED = {"_grouped_mm", "grouped_mm_fallback", "grouped_mm_fallback_backward"}
_ROWS_READ = {"embedding", "index_select", "gather", "index", "take", "_unsafe_index"}
_ROWS_SUMMED = {"_embedding_bag", "_embedding_bag_forward_only"}
"""Of the rows looked up only sums come out, so that the indices give the number of rows read."""
_ROWS_WRITTEN = {"index_copy_", "index_put_", "_index_put_impl_", "scatter_", "index_fill_"}
_ROWS_ADDED = {"index_add_", "scatter_add_", "embedding_dense_backward"}
# Their first argument is written without being read.
_OVERWRITTEN = {"copy_", "zero_", "fill_", "normal_", "uniform_", "bernoulli_", "random_", "exponential_", "_foreach_zero_"}
_COPY = {"clone", "_to_copy", "cat", "stack", "repeat", "constant_pad_nd", "roll", "flip", "slice_backward", "select_backward"}
_REDUCTION = {
    *("sum", "mean", "amax", "amin", "max", "min", "argmax", "argmin", "any", "all", "prod", "var", "var_mean", "std", "norm"),
    *("_softmax", "_log_softmax", "_softmax_backward_data", "_log_softmax_backward_data", "logsumexp", "cumsum", "topk", "sort"),
    *(
        "nll_loss_forward",
        "nll_loss_backward",
        "nll_loss2d_forward",
        "nll_loss2d_backward",
        "mse_loss",
        "histc",
        "linalg_vector_norm",
    ),
    *("_safe_softmax", "avg_pool2d", "max_pool2d_with_indices", "_adaptive_avg_pool2d", "binary_cross_entropy_with_logits"),
}
# They allocate or rename memory: no kernel runs and no byte moves.
_NO_KERNEL = {"empty", "empty_like", "new_empty", "empty_strided", "new_empty_strided", "empty_permuted", "set_", "resize_"}


@dataclass(frozen=True, kw_only=True)
class OperatorFacts:
    """The facts in an operator's name and schema: looked up once."""

    name: str
    kind: OperatorClass
    is_view: bool
    is_silent: bool
    """Allocates or renames, but runs no kernel."""
    is_grouped: bool
    can_decompose: bool
    mutated: tuple[int, ...]
    """Positions of arguments that are written."""
    mutated_names: tuple[str, ...]


class Operand(NamedTuple):
    """A tensor as an operator sees it: ``num_elements`` that are distinct in memory, and what it belongs to.

    ``storage`` numbers the operator's own tensors: operands of one number share memory. Equal operators have equal operands.
    """

    shape: tuple[int, ...]
    num_elements: int
    dtype: torch.dtype
    role: str
    storage: int
    is_written: bool

    @property
    def item_bytes(self) -> int:
        """Bytes of one element."""
        return self.dtype.itemsize

    @property
    def num_bytes(self) -> int:
        """Distinct bytes."""
        return self.num_elements * self.item_bytes


@dataclass(frozen=True, kw_only=True)
class Traffic:
    """Bytes of one operator: read by role, and written."""

    params_read_bytes: int
    cache_read_bytes: int
    other_read_bytes: int
    written_bytes: int


@functools.cache
def facts(func: Any) -> OperatorFacts:
    """Class and schema of a ``torch._ops.OpOverload``."""
    name = func._schema.name.split("::")[1]
    arguments = func._schema.arguments
    written = [i for i, argument in enumerate(arguments) if argument.alias_info is not None and argument.alias_info.is_write]
    return OperatorFacts(
        name=name,
        kind=_kind(name, func),
        # torch does not declare all of these as views, though on a device they only rename memory.
        is_view=bool(func.is_view) or name in {"_unsafe_view", "detach", "alias", "lift_fresh", "_reshape_alias"},
        is_silent=name in _NO_KERNEL,
        is_grouped=name in _GROUPED,
        can_decompose=bool(func._can_decompose()),
        mutated=tuple(i for i in written if not arguments[i].kwarg_only),
        mutated_names=tuple(arguments[i].name for i in written if arguments[i].kwarg_only),
    )


def _kind(name: str, func: Any) -> OperatorClass:
    """Return the class by name; every operator that torch tags as pointwise is element-wise."""
    bare = name.removesuffix("_")
    # In order, the first that holds counts: the gradient of a norm is a norm, and would match "backward" too.
    rules: tuple[tuple[bool, OperatorClass], ...] = (
        ("fused_adam" in name or "fused_sgd" in name, "optimizer"),
        ("scaled_dot_product" in name or "flash_attention" in name or "efficient_attention" in name, "attention"),
        (name in _GEMM or name in _GROUPED, "gemm"),
        ("convolution" in name, "conv"),
        ("_norm" in name and ("layer" in name or "group" in name or "batch" in name or "rms" in name), "norm"),
        (name in _ROWS_READ | _ROWS_SUMMED | _ROWS_WRITTEN | _ROWS_ADDED, "gather"),
        (name in _COPY or name in _OVERWRITTEN or bare in _COPY, "copy"),
        (bare in _REDUCTION, "reduction"),
        (torch.Tag.pointwise in func.tags or "dropout" in name or "backward" in name, "elementwise"),
    )
    return next((kind for is_met, kind in rules if is_met), "other")


def traffic(known: OperatorFacts, *, inputs: Sequence[Operand], outputs: Sequence[Operand], experts_per_token: int) -> Traffic:
    """Bytes that the operator must move.

    ``inputs`` are in the order of the schema; those with ``is_written`` are changed in place. ``outputs`` are new tensors only.
    """
    written = [operand for operand in inputs if operand.is_written]
    made = sum(operand.num_bytes for operand in outputs)
    if known.name in _ROWS_READ | _ROWS_SUMMED:
        return _lookup(known, inputs=inputs, made_bytes=made)
    if known.name in _ROWS_WRITTEN or (known.name in _ROWS_ADDED and written):
        return _row_update(known, table=written[0], sources=[operand for operand in inputs if not operand.is_written])
    if known.kind == "optimizer":
        return _split([(i.role, i.num_bytes) for i in inputs], written_bytes=made + _updated_bytes(written))
    shares = _read_shares(known, inputs=inputs, experts_per_token=experts_per_token)
    return _split(shares, written_bytes=made + sum(operand.num_bytes for operand in written))


def _read_shares(known: OperatorFacts, *, inputs: Sequence[Operand], experts_per_token: int) -> list[tuple[str, int]]:
    """Bytes that are read, by the role of what they belong to: an operand that is overwritten is not, and experts are in part."""
    read = [operand for operand in inputs if not (operand.is_written and known.name in _OVERWRITTEN)]
    if known.is_grouped:
        return [(role, _expert_bytes(operand, inputs[0], experts_per_token)) for role, _, operand in _with_operands(read)]
    return _distinct(read)


def _lookup(known: OperatorFacts, *, inputs: Sequence[Operand], made_bytes: int) -> Traffic:
    """Return the traffic of rows taken from a table: those looked up, never more than the table holds."""
    table, *indices = inputs
    # Rows times bytes of a row; table is (rows, width).
    looked_up = indices[0].num_elements * table.num_bytes // max(1, table.shape[0])
    # Of a plain look-up the result is as large as the rows read.
    rows = min(looked_up if known.name in _ROWS_SUMMED else made_bytes, table.num_bytes)
    return _split([(table.role, rows), *((i.role, i.num_bytes) for i in indices)], written_bytes=made_bytes)


def _row_update(known: OperatorFacts, *, table: Operand, sources: Sequence[Operand]) -> Traffic:
    """Return the traffic of rows that are replaced in a table, or added to it and so read first."""
    # The largest source is the rows themselves, the others are their indices.
    rows = max((source.num_elements for source in sources), default=1) * table.item_bytes
    rows = min(rows, table.num_bytes)
    again = [(table.role, rows)] if known.name in _ROWS_ADDED else []
    return _split([*again, *((s.role, s.num_bytes) for s in sources)], written_bytes=rows)


def expected_experts(*, num_experts: int, experts_per_token: int, num_tokens: int) -> float:
    """Experts that at least one of ``num_tokens`` is routed to, each taking ``experts_per_token`` distinct ones at random.

    ``E * (1 - (1 - k / E) ** T)``: an expert is missed by one token with probability ``1 - k / E``.
    """
    return num_experts * (1.0 - (1.0 - experts_per_token / num_experts) ** num_tokens)


def _updated_bytes(written: Sequence[Operand]) -> int:
    """Adam's kernels may also scale the gradients in place, which happens only under a gradient scaler: they are not counted."""
    return sum(operand.num_bytes for operand in written if operand.role != "gradient")


def _distinct(operands: Sequence[Operand]) -> list[tuple[str, int]]:
    return [(role, num_bytes) for role, num_bytes, _ in _with_operands(operands)]


def _with_operands(operands: Sequence[Operand]) -> list[tuple[str, int, Operand]]:
    """Role, bytes and operand of each tensor, a tensor given twice (``x * x``) once."""
    # By shape as well: two slices of one storage are two operands.
    seen = {(operand.storage, operand.shape): operand for operand in operands}
    return [(operand.role, operand.num_bytes, operand) for operand in seen.values()]


def _expert_bytes(operand: Operand, rows: Operand, experts_per_token: int) -> int:
    """Bytes of an operand of a grouped product: of stacked expert matrices those of the experts reached."""
    # Experts' weights are stacked (experts, in, out), their rows (tokens x experts_per_token, width).
    if len(operand.shape) != 3 or len(rows.shape) != 2:
        return operand.num_bytes
    num_experts, num_tokens = operand.shape[0], max(1, rows.shape[0] // experts_per_token)
    reached = expected_experts(
        num_experts=num_experts, experts_per_token=min(experts_per_token, num_experts), num_tokens=num_tokens
    )
    return round(operand.num_bytes * reached / num_experts)


def _split(shares: Sequence[tuple[str, int]], *, written_bytes: int) -> Traffic:
    params = sum(num_bytes for role, num_bytes in shares if role == "param")
    cache = sum(num_bytes for role, num_bytes in shares if role == "cache")
    return Traffic(
        params_read_bytes=params,
        cache_read_bytes=cache,
        other_read_bytes=sum(num_bytes for _, num_bytes in shares) - params - cache,
        written_bytes=written_bytes,
    )
