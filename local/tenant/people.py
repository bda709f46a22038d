"""The directory of a scenario: its cast, its groups, and everybody who is generated around them."""

import random
import uuid
from dataclasses import dataclass, replace

from local.emulators.graph.model import Address, DirectoryRole, Group, ModelError, OrgContact, User
from local.tenant.scenario import GroupOf, Kind, Member, Scenario
from local.tenant.words import FIRST_NAMES, JOBS, OFFICES, SURNAMES

# Entra's template of the role, the same in every tenant.
_GLOBAL_ADMINISTRATOR = "62e90394-69f5-4237-9190-012177145e10"

# One in so many generated people has an alias.
_ALIAS_EVERY = 7


@dataclass(frozen=True, slots=True)
class Directory:
    """Who there is, by key: those of the scenario under theirs, generated people as `#1`, `#2` and so on."""

    users: dict[str, User]
    groups: dict[str, Group]
    contacts: dict[str, OrgContact]
    kinds: dict[str, Kind]
    """What each user and contact is."""
    members: dict[str, tuple[str, ...]]
    """Keys of the direct members, by the group's key."""
    hidden: frozenset[str]
    """Keys of the groups whose membership the application may not read."""
    roles: tuple[DirectoryRole, ...]
    lure_to: tuple[tuple[str, str], ...] = ()
    """Whom the lure is sent to: key and the address that was used."""

    def address(self, key: str) -> str:
        """The primary address of a user, contact or group; of an address that nobody has, itself."""
        item = self._find(key)
        return (item.mail or "") if item else key

    def header(self, key: str) -> Address:
        """How somebody stands in a message's header."""
        item = self._find(key)
        return Address(self.address(key), item.display_name if item else "")

    def id(self, key: str) -> str:
        """The object id of a user, contact or group; of an address that nobody has, the address."""
        item = self._find(key)
        return item.id if item else key

    def _find(self, key: str) -> User | OrgContact | Group | None:
        return self.users.get(key) or self.contacts.get(key) or self.groups.get(key)


def populate(scenario: Scenario, rng: random.Random) -> Directory:
    """The directory of the scenario.

    Raises:
        ModelError: two have the same address, or more people are to be picked than there are.
    """
    users: dict[str, User] = {}
    contacts: dict[str, OrgContact] = {}
    taken = {f"{key}@{scenario.domain}" for key in scenario.groups}
    for key, member in scenario.cast.items():
        item: User | OrgContact
        if member.kind is Kind.CONTACT:
            item = contacts[key] = _contact(member, _id(rng))
        else:
            item = users[key] = _cast(member, scenario.domain, _id(rng), rng)
        for proxy in item.proxy_addresses:
            address = proxy.partition(":")[2].lower()
            if address in taken:
                raise ModelError(f"{key}: somebody else has the address {address}")
            taken.add(address)
    for number in range(1, scenario.people + 1):
        users[f"#{number}"] = _generated(scenario.domain, taken, number, rng)
    members = {key: (*group.members, *_pick(scenario, group.fill, key, rng)) for key, group in scenario.groups.items()}
    ids = {key: _id(rng) for key in scenario.groups}
    ids |= {key: user.id for key, user in users.items()} | {key: contact.id for key, contact in contacts.items()}
    administrators = tuple(ids[who] for who in scenario.administrators)
    role = DirectoryRole(_id(rng), "Global Administrator", _GLOBAL_ADMINISTRATOR, administrators)
    directory = Directory(
        users=users,
        groups={
            key: _group(group, f"{key}@{scenario.domain}", ids[key], tuple(ids[one] for one in members[key]))
            for key, group in scenario.groups.items()
        },
        contacts=contacts,
        kinds={key: scenario.cast[key].kind if key in scenario.cast else Kind.PERSON for key in (*users, *contacts)},
        members=members,
        hidden=frozenset(key for key, group in scenario.groups.items() if group.hidden),
        roles=(role,) if administrators else (),
    )
    to = [_named(directory, one, scenario.domain) for one in scenario.lure.to]
    to += [(key, directory.address(key)) for key in _pick(scenario, scenario.lure.to_generated, "lure", rng)]
    return replace(directory, lure_to=tuple(to))


def _named(directory: Directory, one: str, domain: str) -> tuple[str, str]:
    key, _, alias = one.partition("/")
    return key, f"{alias}@{domain}" if alias else directory.address(key)


def _pick(scenario: Scenario, number: int, where: str, rng: random.Random) -> list[str]:
    if number > scenario.people:
        raise ModelError(f"{where}: {number} people of {scenario.people}")
    return [f"#{one}" for one in sorted(rng.sample(range(1, scenario.people + 1), number))]


def _cast(member: Member, domain: str, object_id: str, rng: random.Random) -> User:
    given, _, surname = member.name.partition(" ")
    if member.kind is Kind.GUEST:
        address = member.address or ""
        return User(
            id=object_id,
            # As Entra makes them when somebody accepts an invitation.
            user_principal_name=f"{address.replace('@', '_')}#EXT#@{domain}",
            display_name=member.name,
            mail=address,
            proxy_addresses=(f"SMTP:{address}",),
            given_name=given,
            surname=surname or None,
            user_type="Guest",
        )
    address = f"{'.'.join(member.name.lower().split())}@{domain}"
    return User(
        id=object_id,
        user_principal_name=address,
        display_name=member.name,
        mail=address,
        proxy_addresses=_proxies(address, member.aliases, domain),
        given_name=given,
        surname=surname or None,
        job_title=member.title,
        department=member.department,
        office_location=rng.choice(OFFICES),
        company_name="Contoso",
        # Nobody signs in to the account behind a shared mailbox.
        account_enabled=member.kind is not Kind.SHARED,
    )


def _generated(domain: str, taken: set[str], number: int, rng: random.Random) -> User:
    given, surname = rng.choice(FIRST_NAMES), rng.choice(SURNAMES)
    local, again = f"{given}.{surname}".lower(), 1
    while f"{local}@{domain}" in taken:
        again += 1
        local = f"{given}.{surname}{again}".lower()
    taken.add(f"{local}@{domain}")
    department = rng.choice(sorted(JOBS))
    # With the number: two people's initials and surnames may be the same.
    alias = (f"{given[0]}{surname}{number}".lower(),) if number % _ALIAS_EVERY == 0 else ()
    return User(
        id=_id(rng),
        user_principal_name=f"{local}@{domain}",
        display_name=f"{given} {surname}",
        mail=f"{local}@{domain}",
        proxy_addresses=_proxies(f"{local}@{domain}", alias, domain),
        given_name=given,
        surname=surname,
        job_title=rng.choice(JOBS[department]),
        department=department,
        office_location=rng.choice(OFFICES),
        company_name="Contoso",
    )


def _contact(member: Member, object_id: str) -> OrgContact:
    address = member.address or ""
    return OrgContact(
        id=object_id,
        display_name=member.name,
        mail=address,
        mail_nickname=address.partition("@")[0],
        proxy_addresses=(f"SMTP:{address}",),
        department=member.department,
    )


def _group(group: GroupOf, address: str, object_id: str, members: tuple[str, ...]) -> Group:
    return Group(
        id=object_id,
        display_name=group.name,
        mail=address,
        mail_nickname=address.partition("@")[0],
        proxy_addresses=(f"SMTP:{address}",),
        mail_enabled=True,
        security_enabled=False,
        # Only a Microsoft 365 group can hide its members.
        group_types=("Unified",) if group.hidden else (),
        visibility="HiddenMembership" if group.hidden else None,
        members=members,
    )


def _proxies(primary: str, aliases: tuple[str, ...], domain: str) -> tuple[str, ...]:
    return (f"SMTP:{primary}", *(f"smtp:{alias}@{domain}" for alias in aliases))


def _id(rng: random.Random) -> str:
    return str(uuid.UUID(int=rng.getrandbits(128), version=4))
