"""The function app: which triggers this process has, by its role. The worker finds the app by its type."""

import logging
import os

import azure.functions as func

from shared.settings import ROLE, Role

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)

# Read here and not through Settings: the host indexes functions before the other settings have to be right.
_given = os.environ.get(ROLE)
_role = next((role for role in Role if role == _given), None)
if _role is None:
    # Not one of the two by guess: pipeline's functions under web's identity, or the other way round.
    logging.getLogger("clawback").error("%s is %r, which is no role: this app has no functions", ROLE, _given)

# Imported by role: what is not registered is not paid for at a cold start.
if _role in {Role.PIPELINE, Role.ALL}:
    from functions.enrich import blueprint as enrich
    from functions.expand_recipients import blueprint as expand_recipients
    from functions.ingest_alert import blueprint as ingest_alert
    from functions.quarantine import blueprint as quarantine
    from functions.quarantine import timers as quarantine_timers
    from functions.report import blueprint as report
    from functions.report import timers as report_timers

    app.register_functions(ingest_alert.pipeline)
    app.register_functions(enrich.pipeline)
    app.register_functions(expand_recipients.pipeline)
    app.register_functions(quarantine.pipeline)
    app.register_functions(quarantine_timers.timers)
    app.register_functions(report.pipeline)
    app.register_functions(report_timers.timers)

if _role in {Role.WEB, Role.ALL}:
    from functions.health import blueprint as health
    from functions.hidden import blueprint as hidden
    from functions.ingest_alert import blueprint as ingest_alert
    from functions.pause import blueprint as pause
    from functions.report.api import blueprint as cases

    app.register_functions(health.web)
    app.register_functions(hidden.web)
    app.register_functions(ingest_alert.web)
    app.register_functions(cases.web)
    app.register_functions(pause.web)
