"""Where finished frames go: video files in segments, numbered pictures, and the sound beside them."""

from app.sinks.codecs import CODECS, QUALITIES, Codec, codec_for
from app.sinks.pictures import PictureSink
from app.sinks.segments import SEGMENT_FRAMES
from app.sinks.video import VideoSink

__all__ = ["CODECS", "QUALITIES", "SEGMENT_FRAMES", "Codec", "PictureSink", "VideoSink", "codec_for"]
