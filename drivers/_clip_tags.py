"""What the tags of a phone clip say about when and how it was filmed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone

_APPLE = "com.apple.quicktime."
_CREATION_KEYS = (_APPLE + "creationdate", "creation_time")
_CAPTURE_RATE_KEY = "com.android.capture.fps"


def creation_time(tags: Mapping[str, str]) -> datetime | None:
    """When the recording began, with its time zone; None where the tags do not say.

    Phones write whole seconds, so this places a clip to about a second.
    """
    for key in _CREATION_KEYS:
        text = tags.get(key, "").strip()
        for form in ("%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M:%S.%f%z"):
            try:
                found = datetime.strptime(text.replace("Z", "+0000"), form)
            except ValueError:
                continue
            # The zero of the QuickTime clock means that nobody set the date.
            return found.astimezone(timezone.utc) if found.year > 1970 else None
    return None


def declared_capture_rate(tags: Mapping[str, str]) -> float | None:
    """Frame rate at which the camera filmed [1/s], where the phone wrote it down (Android slow motion)."""
    try:
        rate = float(tags.get(_CAPTURE_RATE_KEY, ""))
    except ValueError:
        return None
    return rate if 0 < rate < 100_000 else None


def device_model(tags: Mapping[str, str]) -> str:
    """Model name of the phone or camera; empty where the tags do not say."""
    for key in (_APPLE + "model", "com.android.model", "model"):
        if tags.get(key):
            return tags[key].strip()
    return ""


def device_maker(tags: Mapping[str, str]) -> str:
    """Maker of the phone or camera; empty where the tags do not say."""
    for key in (_APPLE + "make", "com.android.manufacturer", "make"):
        if tags.get(key):
            return tags[key].strip()
    return ""
