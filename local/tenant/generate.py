"""From a scenario: a tenant for the local Graph, the alert about the malicious mail, and the expected results."""

import random
import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from local.emulators.graph import model
from local.tenant.expect import Expected, expected
from local.tenant.mailboxes import mailboxes
from local.tenant.people import populate
from local.tenant.proofpoint import siem_answer
from local.tenant.scenario import Scenario
from local.tenant.transport import World

# Expected is exported too, so that users of `generate` need one import.
__all__ = ["Expected", "Generated", "generate"]


@dataclass(frozen=True)
class Generated:
    """What is made from a scenario.

    `alert` is a Proofpoint TAP SIEM answer. `undo` is the address of the mailbox whose copy the demo restores, None if
    the scenario names nobody.
    """

    tenant: model.Tenant
    alert: dict[str, Any]
    expected: tuple[Expected, ...]
    undo: str | None


def generate(scenario: Scenario, *, seed: int = 1, now: datetime) -> Generated:
    """Make the scenario's tenant. The same scenario, seed and `now` give the same tenant.

    Raises:
        ModelError: the scenario contradicts itself: somebody forwards a mail that they did not receive.
    """
    # One generator per part: more ordinary mail does not change who there is.
    directory = populate(scenario, random.Random(f"{seed} people"))
    world = World(scenario, directory, random.Random(f"{seed} transport"), now)
    world.run()
    # Seeded with the scenario's name: the alerts of two scenarios have different ids.
    ids = random.Random(f"{seed} {scenario.name}")
    tenant = model.Tenant(
        id=str(uuid.UUID(int=ids.getrandbits(128), version=4)),
        display_name="Contoso",
        domain=scenario.domain,
        users=tuple(directory.users.values()),
        groups=tuple(directory.groups.values()),
        contacts=tuple(directory.contacts.values()),
        roles=directory.roles,
        mailboxes=mailboxes(world, random.Random(f"{seed} ordinary mail"), now),
        trace=tuple(world.trace),
    )
    model.check(tenant)
    return Generated(
        tenant=tenant,
        alert=siem_answer(world, now, uuid.UUID(int=ids.getrandbits(128), version=4)),
        expected=expected(world),
        undo=directory.address(scenario.undo) if scenario.undo else None,
    )
