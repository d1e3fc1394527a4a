"""A trace as an engine executes it: linear layers with quantised weights, and the bytes that quantising and scaling back add.

Other engines run the traced operators as they are; ``roofline`` and ``quantities`` apply their dispatch and fusion.
"""

from __future__ import annotations

from collections.abc import Iterator

from aigc_bench.catalog.records import AcceleratorSpec
from aigc_bench.core.errors import UsageError
from aigc_bench.core.messages import message
from aigc_bench.core.records import Case
from aigc_bench.predict.engines import LinearFormat, engine_costs, refuse_unsuited
from aigc_bench.predict.tracing.optrace import LinearLayers, Operator, OpTrace, Point
from aigc_bench.predict.tracing.trace_cache import trace_case

# What torch.nn.Linear and Conv1D come down to; batched products (bmm) belong to attention.
_PRODUCTS = {"mm", "addmm"}
_ITEM_BYTES = {"fp32": 4, "tf32": 4, "bf16": 2, "fp16": 2}


def executed_trace(case: Case) -> OpTrace:
    """The case's trace, rewritten by its engine; raises ``UsageError`` in one line where the engine does not run it."""
    refuse_unsuited(case)
    return executed(trace_case(case), engine=case.engine)


def refuse_lacking_units(case: Case, spec: AcceleratorSpec) -> None:
    """Raise ``UsageError`` where the engine multiplies in a format of which no peak of the device is known."""
    linear = engine_costs(case.engine, backend=case.backend).linear
    if linear is not None and linear.product is not None and spec.peak(linear.product) is None:
        raise UsageError(
            message(
                "--engine {engine}: {id} has no {product} units, or their peak is not known.",
                engine=case.engine,
                id=spec.id,
                product=linear.product,
            ),
            message("Engines that keep bf16 products are torch-int8 and torch-int4."),
        )


def executed(trace: OpTrace, *, engine: str) -> OpTrace:
    """``trace`` (of torch's own operators) as ``engine`` executes it."""
    costs = engine_costs(engine, backend=trace.backend)
    if not costs.has_state and trace.kv_cache_bytes:
        raise UsageError(
            message(
                "--engine {engine}: {workload}/{preset} keeps a cache between calls, which {engine} cannot.",
                engine=engine,
                workload=trace.workload,
                preset=trace.preset,
            ),
            message("Use torch-eager or torch-compile."),
        )
    return trace if costs.linear is None else _quantised(trace, costs.linear, engine=engine)


def _quantised(trace: OpTrace, linear: LinearFormat, *, engine: str) -> OpTrace:
    layers = [own for own in trace.linear_layers if linear.takes(out_features=own.out_features, in_features=own.in_features)]
    if not layers:
        raise UsageError(
            message(
                "--engine {engine}: {workload}/{preset} has no linear layer of a shape that its kernel takes.",
                engine=engine,
                workload=trace.workload,
                preset=trace.preset,
            ),
            message("Use torch-eager or torch-compile."),
        )
    # The trace's operators know shapes, not layers: a product counts as a layer's when its weight has that shape.
    shapes = {(own.out_features, own.in_features) for own in layers}
    stages = tuple(
        stage.model_copy(update={"points": tuple(_rewritten(point, linear, shapes=shapes) for point in stage.points)})
        for stage in trace.stages
    )
    change = sum(_bytes_more(own, linear, item_bytes=_ITEM_BYTES[trace.precision]) for own in layers)
    # The allocator holds the weights throughout, so that what it holds changes by as much as they do.
    held = {
        name: None if (size := getattr(trace, name)) is None else max(0, size + change)
        for name in ("device_held_bytes", "host_held_bytes")
    }
    return trace.model_copy(update={"stages": stages, "params_bytes": trace.params_bytes + change, **held})


def _bytes_more(layers: LinearLayers, linear: LinearFormat, *, item_bytes: int) -> int:
    """Bytes of parameters that the replaced layers take beyond the original ones; a tied weight stays with its other owner."""
    weights = layers.out_features * layers.in_features
    # A tied weight is copied in quantised form and its original stays, so nothing is saved for it.
    return round(weights * (layers.count * linear.weight_bits / 8 - (layers.count - layers.num_tied) * item_bytes))


def _rewritten(point: Point, linear: LinearFormat, *, shapes: set[tuple[int, int]]) -> Point:
    operators: list[Operator] = []
    for operator in point.operators:
        # inputs[-1] is the transposed weight (in, out), the layers' shapes are (out, in).
        is_linear = operator.name in _PRODUCTS and operator.params_read_bytes > 0 and operator.inputs[-1][::-1] in shapes
        operators += _quantised_product(operator, linear) if is_linear else (operator,)
    return point.model_copy(update={"operators": tuple(operators)})


def _quantised_product(operator: Operator, linear: LinearFormat) -> Iterator[Operator]:
    """The product with quantised weights, and the element-wise operators around it."""
    # addmm has the bias first: the last two operands are the product's.
    (rows, in_features), out_features = operator.inputs[-2], operator.inputs[-1][1]
    weights, item_bytes = in_features * out_features, _ITEM_BYTES.get(operator.dtype, 4)
    stored = round(weights * linear.weight_bits / 8)
    is_widened = linear.fused_rows is not None and rows > linear.fused_rows
    # What is left of the parameters is the bias, which stays as it is.
    rest = max(0, operator.params_read_bytes - weights * item_bytes)
    # Kernels that need a least number of rows compute the missing ones too.
    padded = max(rows, linear.least_rows)
    input_bytes = rows * in_features * (1 if linear.product else item_bytes)
    yield operator.model_copy(
        update={
            "dtype": linear.product or operator.dtype,
            "flops": operator.flops * padded // rows,
            "params_read_bytes": rest + (0 if is_widened else stored),
            "other_read_bytes": input_bytes + (weights * item_bytes if is_widened else 0),
        }
    )
    moved = linear.input_bytes * rows * in_features + linear.output_bytes * rows * out_features
    if linear.num_kernels:
        yield _surrounding_operator(operator, "quantize", "elementwise", moved / linear.num_kernels, times=linear.num_kernels)
    if is_widened:
        widened = _surrounding_operator(operator, "widen", "copy", weights * item_bytes * 2, times=1)
        # The stored weights are read by the widening copy; ``_surrounding_operator`` halved the moved bytes into read and written.
        yield widened.model_copy(update={"params_read_bytes": stored, "other_read_bytes": 0})


def _surrounding_operator(operator: Operator, name: str, kind: str, moved_bytes: float, *, times: int) -> Operator:
    """Return ``times`` operators next to each product, which read as much as they write."""
    half = round(moved_bytes / 2)
    update = {
        "name": name, "kind": kind, "flops": 0, "params_read_bytes": 0, "cache_read_bytes": 0, "other_read_bytes": half,
        "written_bytes": half, "count": operator.count * times,
    }  # fmt: skip
    return operator.model_copy(update=update)
