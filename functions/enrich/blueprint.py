"""Triggers of the enrich stage."""

from pydantic import TypeAdapter

from functions.enrich.handler import handle
from functions.enrich.models import Deps
from shared.names import Stage
from shared.pipeline.payloads import EnrichAlerts
from shared.pipeline.stage import StageOf
from shared.pipeline.triggers import queue_triggers

pipeline = queue_triggers(StageOf(Stage.ENRICH, TypeAdapter(EnrichAlerts), handle, Deps))
