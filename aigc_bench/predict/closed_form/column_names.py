"""What the columns of the closed forms are called where a prediction is explained, and their units."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from aigc_bench.core.messages import message

Named = tuple[str, str]
"""Title and unit of a column."""

CHOICES = frozenset({"engine", "family", "link", "aspect"})
"""Columns that hold the place of a name in a list: what they choose is said by the formula's name, and they are no quantities."""

_YES_OR_NO = "of 1"
"""Unit of a switch: 0 or 1 of 1."""

LANGUAGE: Mapping[str, Named] = MappingProxyType(
    {
        "decode_linear": (message("decode step: matrix products at the peak rate"), "s"),
        "decode_weights": (message("decode step: reading the weights at the full bandwidth"), "s"),
        "decode_attention": (message("decode step: attention at the peak rate"), "s"),
        "decode_cache": (message("decode step: reading the KV cache at the full bandwidth"), "s"),
        "decode_bytes": (message("decode step: exchange between devices at the links' full rate"), "s"),
        "prefill_linear": (message("one prompt: matrix products at the peak rate"), "s"),
        "prefill_weights": (message("one prompt: reading the weights at the full bandwidth"), "s"),
        "prefill_attention": (message("one prompt: attention at the peak rate"), "s"),
        "prefill_bytes": (message("one prompt: exchange between devices at the links' full rate"), "s"),
        "collectives": (message("collectives of a decode step"), "count"),
        "layers": (message("layers of the model"), "layers"),
        "moe_layers": (message("layers with experts"), "layers"),
        "latent_layers": (message("layers with latent attention"), "layers"),
        "sequences": (message("sequences in flight per replica"), "sequences"),
        "requested": (message("requests offered per replica"), "requests"),
        "room": (message("sequences that fit the KV cache"), "sequences"),
        "replicas": (message("replicas at work"), "replicas"),
        "prefill_replicas": (message("replicas that read prompts"), "replicas"),
        "stages": (message("pipeline stages"), "stages"),
        "waiting": (message("requests over sequences in flight"), "ratio"),
        "input_len": (message("prompt length"), "tokens"),
        "output_len": (message("output length"), "tokens"),
        "prompts_a_pass": (message("prompts that fit one prefill pass"), "prompts"),
        "attention_ranks": (message("groups of data-parallel attention"), "groups"),
        "power_share": (message("sustained power over what full clocks draw"), "ratio"),
        "idle_share": (message("idle power over TDP"), "ratio"),
        "bandwidth": (message("memory bandwidth of a device"), "B/s"),
        "is_offline": (message("all requests are there from the start"), _YES_OR_NO),
        "is_static": (message("one batch without new prompts"), _YES_OR_NO),
        "is_disaggregated": (message("prompts are read by devices of their own"), _YES_OR_NO),
        "looks_seldom": (message("the engine looks for new requests every few steps only"), _YES_OR_NO),
    }
)
STEP: Mapping[str, Named] = MappingProxyType(
    {
        "compute": (message("matrix products at the peak rate"), "s"),
        "memory": (message("their operands at the full bandwidth"), "s"),
        "pointwise": (message("unfused operators at the full bandwidth"), "s"),
        "vector": (message("the same products on the vector units"), "s"),
        "decoder_compute": (message("decoder steps: matrix products at the peak rate"), "s"),
        "decoder_memory": (message("decoder steps: operands at the full bandwidth"), "s"),
        "depth": (message("kernels one after the other"), "kernels"),
        "reduced": (message("gradients over the links at full rate"), "s"),
        "exchanged": (message("activations over the links at full rate"), "s"),
        "power_share": (message("sustained power over what full clocks draw"), "ratio"),
        "limit_share": (message("power limit over TDP"), "ratio"),
        "idle_share": (message("idle power over TDP"), "ratio"),
        "tdp_w": (message("TDP of a device"), "W"),
        "devices": (message("devices"), "devices"),
        "host_w": (message("power of the hosts besides the devices"), "W"),
        "psu_efficiency": (message("efficiency of the power supplies"), "ratio"),
        "state_bytes": (message("memory that lives between steps"), "B"),
        "kept_bytes": (message("memory that the backward pass keeps"), "B"),
        "bandwidth": (message("memory bandwidth of a device"), "B/s"),
        "bound_s": (message("time of the work at the roofline"), "s"),
        "is_bounded": (message("the roofline limits the answer"), _YES_OR_NO),
    }
)
