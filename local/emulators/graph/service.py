"""How a request is answered: permission, faults, limits, latency, handler."""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from local.emulators.graph.errors import GraphError
from local.emulators.graph.faults import Fault, Faults
from local.emulators.graph.http import Call, Caller, Request, Response, error_response, new_request_id, options_of
from local.emulators.graph.permissions import may as may_by_table
from local.emulators.graph.routes import Route, Service, resolve
from local.emulators.graph.state import TenantState
from local.emulators.graph.throttle import Throttle, cost

May = Callable[[Caller, str, str], bool]
"""(caller, method, path template) → whether it is allowed."""


@dataclass(slots=True)
class Statistics:
    """Counts since the last reset."""

    requests: int = 0
    batches: int = 0
    subrequests: int = 0
    by_operation: Counter[str] = field(default_factory=Counter)
    by_status: Counter[int] = field(default_factory=Counter)


class Graph:
    """The service behind the HTTP server. One for each process or test.

    Args:
        tenant: what it serves.
        may: decides on permissions; by default Microsoft's table does (`permissions.json`).
        latency: seconds that every request takes at least.
    """

    def __init__(self, tenant: TenantState, *, may: May = may_by_table, latency: float = 0.0) -> None:
        self.tenant = tenant
        self.may = may
        self.latency = latency
        self.faults = Faults()
        self.throttle = Throttle()
        self.statistics = Statistics()
        self.closing = asyncio.Event()
        """Set when the server stops, so that delays end."""

    async def answer(self, request: Request) -> Response:
        """The answer to one request; errors are answers too.

        Raises:
            DroppedConnectionError: a fault says so.
        """
        request_id = new_request_id()
        client_request_id = request.headers.get("client-request-id")
        try:
            response = await self._answer(request)
        except GraphError as error:
            response = error_response(error, request_id, client_request_id)
        response.headers["request-id"] = request_id
        response.headers["client-request-id"] = client_request_id or request_id
        self.statistics.by_status[response.status] += 1
        return response

    async def _answer(self, request: Request) -> Response:
        route, keys = resolve(request.method, request.path)
        self.statistics.by_operation[f"{route.method} {route.template}"] += 1
        if not self.may(request.caller, route.method, route.permission_path):
            raise _denied(route)
        mailbox = self._mailbox_id(route, keys)
        call = Call(self.tenant, request, keys, options_of(request, route.options))
        if mailbox is not None:
            with self.throttle.mailbox(request.caller.app_id, mailbox):
                return await self._run(route, call, mailbox)
        headers: dict[str, str] = {}
        if route.service is Service.TRACE:
            self.throttle.trace()
        elif route.service is Service.DIRECTORY:
            units = cost(route.permission_path, call.options)
            self.throttle.directory(request.caller.app_id, units, len(self.tenant.users))
            headers["x-ms-resource-unit"] = str(units)
        response = await self._run(route, call, mailbox)
        response.headers.update(headers)
        return response

    def _mailbox_id(self, route: Route, keys: tuple[str, ...]) -> str | None:
        """The mailbox that a request is counted for, by id or by user principal name."""
        if route.service is not Service.OUTLOOK:
            return None
        user = self.tenant.find_user(keys[0])
        return user.id if user else keys[0]

    async def _run(self, route: Route, call: Call, mailbox: str | None) -> Response:
        fault = await self.apply_fault(call.request, mailbox) if self.faults.rules else None
        if self.latency:
            await asyncio.sleep(self.latency)
        response = route.handler(call)
        if call.applied:
            response.headers["Preference-Applied"] = ", ".join(call.applied)
        if fault is not None and fault.done:
            fault.fail()
        return response

    async def apply_fault(self, request: Request, mailbox: str | None) -> Fault | None:
        """Take the fault that fits, and delay or fail as it says. One that comes after the request is returned."""
        target = f"{request.path}?{request.query}" if request.query else request.path
        fault = self.faults.take(request.method, target, mailbox)
        if fault is None:
            return None
        if fault.delay:
            await self._wait(fault.delay)
        if not fault.done:
            fault.fail()
        return fault

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self.closing.wait()
        except TimeoutError:
            return

    def reset_statistics(self) -> None:
        """Set all counts to zero."""
        self.statistics = Statistics()
        self.throttle.reset_statistics()

    def report(self) -> dict[str, Any]:
        """The counts since the last reset, as JSON."""
        seen = self.statistics
        return {
            "requests": seen.requests,
            "batches": seen.batches,
            "subrequests": seen.subrequests,
            "throttled": self.throttle.refused,
            "maxConcurrency": max(self.throttle.peak.values(), default=0),
            "maxConcurrencyByMailbox": dict(self.throttle.peak),
            "byOperation": dict(seen.by_operation),
            "byStatus": {str(status): number for status, number in seen.by_status.items()},
            "faults": sum(fault.hits for fault in self.faults.rules),
        }


def _denied(route: Route) -> GraphError:
    if route.service is Service.OUTLOOK:
        return GraphError(403, "ErrorAccessDenied", "Access is denied. Check credentials and try again.")
    return GraphError(403, "Authorization_RequestDenied", "Insufficient privileges to complete the operation.")
