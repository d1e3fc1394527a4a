"""Gives ``meta`` tensors what a device decides before its kernels: attention as one kernel, and mixed precision.

torch takes ``meta`` attention apart into matrix products and its autocast does not know the device, so both are done here,
one level above the dispatcher, by the rules of the device that is traced for (https://docs.pytorch.org/docs/stable/amp.html).
"""

from __future__ import annotations

import contextlib
import functools
import types
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

_LOWERED = {
    *("linear", "matmul", "__matmul__", "__rmatmul__", "mm", "bmm", "addmm", "addbmm", "baddbmm", "mv", "addmv", "chain_matmul"),
    *("conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "einsum", "prelu"),
    *("lstm", "gru", "rnn_tanh", "rnn_relu"),
}
"""Functions that autocast runs in the lower precision, on every device."""

_LOSSES = {
    *("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "nll_loss", "nll_loss_nd", "nll_loss2d", "cross_entropy_loss"),
    *("binary_cross_entropy_with_logits", "kl_div", "cosine_embedding_loss", "margin_ranking_loss", "soft_margin_loss"),
}
_RAISED = {
    "cpu": {*_LOSSES, "binary_cross_entropy", "avg_pool3d", "prod", "quantile", "cdist", "grid_sampler"},
    "cuda": {
        *_LOSSES,
        *("softmax", "log_softmax", "layer_norm", "group_norm", "rms_norm", "norm", "sum", "prod", "cumsum", "cumprod", "cdist"),
        *("pow", "__pow__", "__rpow__", "__rdiv__", "__rtruediv__", "exp", "expm1", "log", "log10", "log1p", "log2", "reciprocal"),
        *("rsqrt", "softplus", "cosine_similarity", "acos", "asin", "cosh", "sinh", "tan", "erfinv", "logsumexp", "renorm", "dist"),
    },
}
"""Functions that autocast runs in fp32."""

# On ``meta`` each of these would cost a dispatch for every parameter, and draw nothing.
_INITIALISERS = {"normal_", "uniform_", "trunc_normal_", "kaiming_uniform_", "kaiming_normal_", "xavier_uniform_", "xavier_normal_"}
# Composed functions of torch.nn.functional ask these first, and return to the mode when one answers yes.
_GATES = ("has_torch_function", "has_torch_function_unary", "has_torch_function_variadic")
_COMPOSED_MODULES = ("torch.nn.functional", "torch.functional", "torch.autograd")
_NO_DEVICE = "xla"
"""Recurrent layers check whether any device autocasts before they take a dtype other than their weights'; none here is this one."""
_GROUPED = {"grouped_mm", "_grouped_mm"}


class DeviceRules(TorchFunctionMode):
    """While entered, ``meta`` tensors are treated as ``backend`` would treat its own.

    ``lower_dtype`` is the dtype of mixed-precision training, used inside ``autocast()`` and where the backward pass computes
    activations again; ``None`` never converts.
    """

    def __init__(self, *, backend: str, lower_dtype: torch.dtype | None) -> None:
        super().__init__()
        self._is_cpu = backend == "cpu"
        self._raised = _RAISED["cpu" if self._is_cpu else "cuda"]
        self._lower_dtype = lower_dtype
        self._is_autocasting = False
        self._is_building = False
        # Functions on the call stack: one that hands itself over again would recurse without end.
        self._running: set[types.FunctionType] = set()
        # The weight is held next to its copy: an id would be reused by another tensor once the weight is freed.
        self._lowered_weights: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}

    @contextlib.contextmanager
    def autocast(self) -> Iterator[None]:
        """Mixed precision for the duration; a weight is converted once in it, as torch's autocast caches it."""
        self._is_autocasting = True
        was_enabled = torch.is_autocast_enabled(_NO_DEVICE)
        torch.set_autocast_enabled(_NO_DEVICE, True)
        try:
            yield
        finally:
            torch.set_autocast_enabled(_NO_DEVICE, was_enabled)
            self._is_autocasting = False
            # torch drops its cache of converted weights as well when the outermost autocast ends.
            self._lowered_weights.clear()

    @contextlib.contextmanager
    def building(self) -> Iterator[None]:
        """Random initialisation, which on ``meta`` draws nothing, is left out for the duration."""
        self._is_building = True
        try:
            yield
        finally:
            self._is_building = False

    def __torch_function__(self, func: Any, types_: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        if self._is_building and name in _INITIALISERS:
            tensor = args[0] if args else kwargs["tensor"]
            if tensor.is_meta:
                return tensor
        if isinstance(func, types.FunctionType):
            if _is_on_host(args):
                # Without it the function's own calls would come back here one by one, for tensors that are no work of the device.
                with torch._C.DisableTorchFunction():
                    return func(*args, **kwargs)
            return self._run(func, args, kwargs)
        if name == "scaled_dot_product_attention":
            return self._attention(func, *args, **kwargs)
        if name in _GROUPED and args[0].is_meta and args[0].dtype != torch.bfloat16:
            # The grouped product's shape rule on ``meta`` knows bf16 only; this twin by transformers knows all.
            return torch.ops.transformers.grouped_mm_fallback(args[0], args[1], kwargs["offs"])
        if self._lower_dtype is not None and self._converts():
            args, kwargs = self._convert(name, args, kwargs)
        return func(*args, **kwargs)

    def _run(self, func: types.FunctionType, args: Any, kwargs: Any) -> Any:
        """A function written in Python hands itself over whole: run it so that what it calls comes here, too.

        Some do it once more further down (``meshgrid``, ``max_pool2d``), and are then run without asking again.
        """
        if func in self._running or not _is_composed(func):
            return _without_gate(func)(*args, **kwargs)
        self._running.add(func)
        try:
            with self:
                return _without_gate(func)(*args, **kwargs)
        finally:
            self._running.discard(func)

    def _converts(self) -> bool:
        # -1 means that no backward pass runs; checkpointed activations are computed again inside one, after autocast() has ended.
        return self._is_autocasting or torch._C._current_graph_task_id() != -1

    def _convert(self, name: str, args: Any, kwargs: Any) -> tuple[Any, Any]:
        if name in _LOWERED:
            change: Callable[[Any], Any] = self._lower
        elif name in self._raised:
            change = _raise
        else:
            return args, kwargs
        return (
            tuple(change(value) for value in args),
            {key: change(value) for key, value in kwargs.items()},
        )

    def _lower(self, value: Any) -> Any:
        if isinstance(value, list | tuple) and value and isinstance(value[0], torch.Tensor):
            return type(value)(self._lower(part) for part in value)
        if not isinstance(value, torch.Tensor) or not _is_convertible(value) or value.dtype == self._lower_dtype:
            return value
        assert self._lower_dtype is not None, "only mixed precision converts"
        # torch caches the copies of fp32 leaves that need a gradient, and of nothing else (ATen/autocast_mode.cpp).
        is_weight = value.is_leaf and value.requires_grad and value.dtype == torch.float32
        if not is_weight or not self._is_autocasting:
            return value.to(self._lower_dtype)
        kept = self._lowered_weights.get(id(value))
        if kept is None:
            kept = self._lowered_weights[id(value)] = (value, value.to(self._lower_dtype))
        return kept[1]

    def _attention(
        self,
        func: Any,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        attn_mask: torch.Tensor | None = None,
        dropout_p: float = 0.0,
        is_causal: bool = False,
        *,
        scale: float | None = None,
        enable_gqa: bool = False,
    ) -> torch.Tensor:
        """One kernel where the device has one; a CPU's takes four dimensions, heads of one width and no dropout."""
        if self._lower_dtype is not None and self._converts():
            query, key, value = self._lower(query), self._lower(key), self._lower(value)
            if attn_mask is not None and attn_mask.is_floating_point():
                attn_mask = attn_mask.to(query.dtype)
        is_learned = attn_mask is not None and attn_mask.requires_grad and torch.is_grad_enabled()
        if not _has_one_width(query, key, value) or (self._is_cpu and (dropout_p > 0.0 or is_learned)):
            return func(  # type: ignore[no-any-return]
                query, key, value, attn_mask, dropout_p, is_causal, scale=scale, enable_gqa=enable_gqa
            )
        if attn_mask is not None and attn_mask.dtype == torch.bool:
            attn_mask = attn_mask.to(query.dtype)
        # The CPU's name stands for every device's kernel: it has a shape rule on ``meta`` and takes a mask.
        fused = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
        given = attn_mask.detach() if attn_mask is not None and is_learned else attn_mask
        # Dropout is left at 0: a fused kernel draws it as it goes, without FLOPs or traffic of its own.
        output: torch.Tensor = fused(query, key, value, 0.0, is_causal, attn_mask=given, scale=scale)[0]
        if not is_learned:
            return output
        # (batch, heads, queries, keys)
        scores = (*query.shape[:3], key.shape[2])
        return _LearnedBias.apply(output, attn_mask, scores)  # type: ignore[no-any-return, no-untyped-call]


class _LearnedBias(torch.autograd.Function):
    """Gives a bias that is added to attention scores its gradient, as memory-efficient attention does on an accelerator.

    The fused backward writes the gradient of all scores ``(batch, heads, queries, keys)``; it is summed to the bias's shape.
    """

    @staticmethod
    def forward(ctx: Any, output: torch.Tensor, bias: torch.Tensor, scores: tuple[int, ...]) -> torch.Tensor:
        ctx.bias_shape, ctx.bias_dtype, ctx.scores = bias.shape, bias.dtype, scores
        return output.view_as(output)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, None]:
        of_scores = torch.zeros(ctx.scores, dtype=ctx.bias_dtype, device=gradient.device)
        return gradient, of_scores.sum_to_size(ctx.bias_shape), None


def _is_convertible(value: torch.Tensor) -> bool:
    return value.is_meta and value.is_floating_point() and value.dtype != torch.float64


def _raise(value: Any) -> Any:
    """fp16 and bf16 tensors in fp32."""
    is_low = isinstance(value, torch.Tensor) and _is_convertible(value) and value.dtype != torch.float32
    return value.float() if is_low else value


def _is_composed(func: types.FunctionType) -> bool:
    """Whether it calls others that matter; methods of ``Tensor`` that only lead on to C would hand themselves over for ever."""
    # ``Tensor.backward`` is Python too, and calls torch.autograd.backward, which has to be seen.
    return func.__module__ in _COMPOSED_MODULES or func is torch.Tensor.backward


@functools.cache
def _without_gate(func: types.FunctionType) -> Callable[..., Any]:
    """The same function with its first question, whether a mode wants to take it over, answered by no."""
    gates = {gate: _no for gate in _GATES if gate in func.__globals__}
    if not gates:
        return func
    # A copy with changed globals: patching torch's own modules would change them for the whole process.
    inner = types.FunctionType(func.__code__, {**func.__globals__, **gates}, func.__name__, func.__defaults__, func.__closure__)
    inner.__kwdefaults__ = func.__kwdefaults__
    return inner


def _no(*args: Any) -> bool:
    return False


def _is_on_host(args: Any) -> bool:
    """Whether all tensors are the host's own: no work of the device, and nothing to decide."""
    tensors = [arg for arg in args if isinstance(arg, torch.Tensor)]
    return bool(tensors) and not any(tensor.is_meta for tensor in tensors)


def _has_one_width(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> bool:
    # (batch, heads, positions, width of a head): the fused operator takes one width for queries, keys and values.
    return query.dim() == 4 and query.is_meta and query.shape[-1] == key.shape[-1] == value.shape[-1]
