"""Triggers of the quarantine stage."""

from pydantic import TypeAdapter

from functions.quarantine.handler import handle
from functions.quarantine.models import Deps
from shared.names import Stage
from shared.pipeline.payloads import QuarantineMessage
from shared.pipeline.stage import StageOf
from shared.pipeline.triggers import queue_triggers

pipeline = queue_triggers(StageOf(Stage.QUARANTINE, TypeAdapter(QuarantineMessage), handle, Deps))
