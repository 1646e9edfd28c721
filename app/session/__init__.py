"""A live session: cameras, rings, recorder and pulses under one state machine. No Qt."""

from app.session.crew import SessionError, SessionSettings
from app.session.recording import TakeReport
from app.session.rig_setup import RigSetup
from app.session.session import Session
from app.session.state import Alarm, State

__all__ = ["Alarm", "RigSetup", "Session", "SessionError", "SessionSettings", "State", "TakeReport"]
