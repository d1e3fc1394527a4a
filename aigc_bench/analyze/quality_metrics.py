"""The metrics of the quality gate, as rows of the registry (``analyze.metrics``): id, name, unit, formula."""

from __future__ import annotations

from aigc_bench.core.messages import message

_REPEATED = message("training loss of the {} of a few steps on one batch with the same random masks, before the warm-up")

QUALITY_METRICS = (
    (
        "relative_error",
        message("Relative error of outputs"),
        "fraction",
        message("largest |output - reference| / |reference| over the executed modules; the reference is fp32 with plain attention"),
    ),
    (
        "token_agreement",
        message("Greedy tokens or classes that match the reference"),
        "fraction",
        message("share of positions whose most likely token, or class, is the reference's, given the same context"),
    ),
    (
        "token_agreement_near_ties",
        message("Greedy tokens or classes that match the reference, near-ties counted"),
        "fraction",
        message("as token_agreement, counting those whose logit in the reference lies within four allowed errors of its highest"),
    ),
    (
        "psnr",
        message("PSNR of images"),
        "dB",
        message(
            "-10 log10 of the mean squared difference of an image or video in [0, 1] to the reference's, of the worst; 150 at most"
        ),
    ),
    ("loss_first", message("Loss on a repeated batch, first"), "loss", _REPEATED.format("first")),
    ("loss_last", message("Loss on a repeated batch, last"), "loss", _REPEATED.format("last")),
)
