"""Triggers of the expand_recipients stage."""

from pydantic import TypeAdapter

from functions.expand_recipients.handler import handle
from functions.expand_recipients.models import Deps
from shared.names import Stage
from shared.pipeline.payloads import ExpandRecipients
from shared.pipeline.stage import StageOf
from shared.pipeline.triggers import queue_triggers

pipeline = queue_triggers(StageOf(Stage.EXPAND_RECIPIENTS, TypeAdapter(ExpandRecipients), handle, Deps))
