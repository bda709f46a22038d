"""Queue triggers of the report stage."""

from pydantic import TypeAdapter

from functions.report.handler import handle
from functions.report.models import Deps
from shared.names import Stage
from shared.pipeline.payloads import ReportMessage
from shared.pipeline.stage import StageOf
from shared.pipeline.triggers import queue_triggers

pipeline = queue_triggers(StageOf(Stage.REPORT, TypeAdapter(ReportMessage), handle, Deps))
