"""The format of a scenario file: people, their groups, one malicious mail, and what people did with it.

A scenario is data, validated when it is loaded; the error names the place of a mistake. People are named by their key
in `cast`, groups by their key in `groups`; further people are generated.
"""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from local.emulators.graph.model import ModelError

SCENARIOS = Path(__file__).with_name("scenarios")


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Kind(StrEnum):
    """The kind of recipient that one of the cast is."""

    PERSON = "person"
    SHARED = "shared"
    ON_PREMISES = "on_premises"
    NO_MAILBOX = "no_mailbox"
    OUT_OF_SCOPE = "out_of_scope"
    """A mailbox that the app's RBAC scope leaves out."""
    GUEST = "guest"
    CONTACT = "contact"


class Member(_Data):
    """One of the cast. `address` only for guests and contacts, whose addresses are in other domains."""

    name: str
    kind: Kind = Kind.PERSON
    department: str | None = None
    title: str | None = None
    aliases: tuple[str, ...] = ()
    """Local parts of further addresses of the tenant's domain."""
    address: str | None = None

    @model_validator(mode="after")
    def _has_an_address_iff_outside(self) -> Self:
        if (self.address is not None) != (self.kind in {Kind.GUEST, Kind.CONTACT}):
            raise ValueError("guests and contacts, and nobody else, have an address of their own")
        return self


class GroupOf(_Data):
    """A mail-enabled group. `members` are keys of the cast and of groups, in any nesting, cycles too."""

    name: str
    members: tuple[str, ...] = ()
    fill: int = 0
    """How many generated people belong to it as well."""
    hidden: bool = False
    """HiddenMembership: empty for an application without Member.Read.Hidden."""


class Sender(_Data):
    """Somebody outside who writes."""

    address: str
    name: str = ""


class Lure(_Data):
    """The malicious mail. `to` are keys of the cast and of groups; `key/alias` writes to that alias."""

    message_id: str
    sender: Sender
    subject: str
    body: str
    url: str
    minutes_ago: int
    to: tuple[str, ...] = ()
    to_generated: int = 0
    """How many generated people get it directly as well."""


class Mark(_Data):
    """The person read it, flagged it, or put categories on it."""

    did: Literal["mark"]
    who: str
    read: bool = True
    flagged: bool = False
    categories: tuple[str, ...] = ()


class Put(_Data):
    """The person filed it into `folder` (a path)."""

    did: Literal["put"]
    who: str
    folder: str


class Whereto(StrEnum):
    """How far a mail is deleted."""

    DELETED_ITEMS = "deleted_items"
    RECOVERABLE = "recoverable"
    """Recoverable Items/Deletions: the user can still get it back."""
    PURGED = "purged"
    """Recoverable Items/Purges: no client can reach it."""
    VANISHED = "vanished"
    """Nothing is left of it."""


class Remove(_Data):
    """The person deleted it."""

    did: Literal["remove"]
    who: str
    whereto: Whereto


class Send(_Data):
    """The person forwarded it, or replied to it, which makes a new mail under the key `becomes`.

    `mail` is what was sent on: the lure or an earlier `becomes`. `outside` are addresses that the tenant does not
    know; a reply to the sender has the sender's address there.
    """

    did: Literal["forward", "reply"]
    who: str
    mail: str = "lure"
    becomes: str
    to: tuple[str, ...] = ()
    outside: tuple[str, ...] = ()
    minutes_ago: int
    text: str = ""


Deed = Annotated[Mark | Put | Remove | Send, Field(discriminator="did")]


class Rule(_Data):
    """An inbox rule, which works on what is delivered: files it, leaves a second copy, hands it on.

    A redirect keeps the Message-ID.
    """

    who: str
    name: str
    subject_contains: tuple[str, ...]
    move_to: str | None = None
    copy_to: str | None = None
    redirect_to: tuple[str, ...] = ()


class Lookalike(_Data):
    """A benign mail that resembles the lure and must not be moved. A field that is left out is the lure's.

    It differs from the lure in its Message-ID or its sender, or it would be one more copy.
    """

    why: str
    where: tuple[str, ...]
    message_id: str | None = None
    sender: Sender | None = None
    subject: str | None = None
    folder: str = "Inbox"
    minutes_ago: int

    @model_validator(mode="after")
    def _differs(self) -> Self:
        if self.message_id is None and self.sender is None:
            raise ValueError("a lookalike needs a message_id or a sender of its own")
        return self


class Scenario(_Data):
    """A whole scenario file."""

    version: Literal[1]
    name: str
    about: str
    domain: str = "contoso.example"
    people: int = Field(ge=0)
    """How many people are generated beside the cast."""
    ordinary_mail: tuple[int, int]
    """Ordinary mails per mailbox, at least and at most."""
    cast: dict[str, Member] = Field(default_factory=dict)
    groups: dict[str, GroupOf] = Field(default_factory=dict)
    administrators: tuple[str, ...] = ()
    """Members of the role Global Administrator."""
    lure: Lure
    rules: tuple[Rule, ...] = ()
    deeds: tuple[Deed, ...] = ()
    """In the order in which they happened."""
    lookalikes: tuple[Lookalike, ...] = ()
    undo: str | None = None
    """Whose copy a demonstration puts back."""

    @model_validator(mode="after")
    def _names_only_who_is_there(self) -> Self:
        if both := self.cast.keys() & self.groups.keys():
            raise ValueError(f"in the cast and a group at once: {sorted(both)}")
        people = {*self.administrators, *(rule.who for rule in self.rules), *(deed.who for deed in self.deeds)}
        people |= {who for look in self.lookalikes for who in look.where} | ({self.undo} if self.undo else set())
        if strangers := people - self.cast.keys():
            raise ValueError(f"not in the cast: {sorted(strangers)}")
        anybody = {member for group in self.groups.values() for member in group.members}
        anybody |= {who for deed in self.deeds if isinstance(deed, Send) for who in deed.to}
        anybody |= {who for rule in self.rules for who in rule.redirect_to}
        for address in self.lure.to:
            who, _, alias = address.partition("/")
            anybody.add(who)
            if alias and (who not in self.cast or alias not in self.cast[who].aliases):
                raise ValueError(f"no such alias: {address}")
        if strangers := anybody - self.cast.keys() - self.groups.keys():
            raise ValueError(f"neither in the cast nor a group: {sorted(strangers)}")
        mails = ["lure"]
        for deed in self.deeds:
            if isinstance(deed, Send):
                if deed.mail not in mails:
                    raise ValueError(f"{deed.becomes}: sends on {deed.mail}, which is not there yet")
                if deed.becomes in mails:
                    raise ValueError(f"two mails are called {deed.becomes}")
                mails.append(deed.becomes)
        return self


def load_scenario(name: str | Path) -> Scenario:
    """The scenario of this name in local/tenant/scenarios, or in this file.

    Raises:
        ModelError: there is none, or it is wrong; the message says what and where.
    """
    path = name if isinstance(name, Path) else SCENARIOS / f"{name}.yaml"
    try:
        return Scenario.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except OSError:
        known = ", ".join(sorted(file.stem for file in SCENARIOS.glob("*.yaml")))
        raise ModelError(f"there is no scenario {name}; there are: {known}") from None
    except yaml.YAMLError as error:
        raise ModelError(f"{path}: {error}") from None
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'scenario'}: {e['msg']}" for e in error.errors())
        raise ModelError(f"{path}: {wrong}") from None
