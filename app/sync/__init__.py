"""How two recordings without a common clock relate in time: sound, pictures, a filmed timer. No Qt."""

from app.sync.clips import SyncedClips, open_synced
from app.sync.timer_check import TimerCheck, TimerReading, TimerReadings, check_by_timer

__all__ = ["SyncedClips", "TimerCheck", "TimerReading", "TimerReadings", "check_by_timer", "open_synced"]
