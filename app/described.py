"""What was decided before fusion, for the file beside the clip."""

from __future__ import annotations

from dataclasses import asdict

from app.pipeline import Pipeline
from drivers import VideoClip
from fusion.cards import fingerprint


def described(pipeline: Pipeline) -> dict[str, object]:
    """Streams, options, and what was found and chosen for them, as JSON can say it."""
    hsr, lsr = pipeline.pair.hsr, pipeline.pair.lsr
    options, fuser, view = pipeline.options, pipeline.fuser, pipeline.alignment
    return {
        "hsr": asdict(hsr.info),
        "lsr": asdict(lsr.info),
        "capture_factor": lsr.capture_factor if isinstance(lsr, VideoClip) else 1.0,
        "options": {
            **asdict(options),
            "weights": str(options.weights or "shipped"),
            "flow": str(options.flow or "the method's own"),
        },
        "method": fuser.method,
        "recursion": fuser.recursion,
        "references": fuser.references,
        "model": fuser.model,
        "weights_sha256": fingerprint(fuser.weights) if fuser.weights else None,
        "base_sha256": fingerprint(fuser.base) if fuser.base else None,
        "flow_sha256": fingerprint(fuser.flow) if fuser.flow else None,
        "device": fuser.device,
        "scale": view.scale,
        "alignment": {
            "method": view.method,
            "inliers": view.inliers,
            "residual_px": view.residual_px,
            "lsr_crop": list(view.lsr_crop),
            "valid_fraction": float(view.valid.mean()),
        },
        "size": [pipeline.width, pipeline.height],
        "deep": pipeline.deep,
        "real_rate": str(pipeline.rate),
        "gain": round(pipeline.gain, 3),
        "lsr_blur_px": round(pipeline.sharpness.lsr_blur_px, 3),
        "noise_sigma": round(255 * pipeline.error_variance**0.5, 3),
        "missing_lsr": pipeline.pairing.missing_lsr,
        "missing_hsr": pipeline.pairing.missing_hsr,
    }
