from pydantic import TypeAdapter

from shared.domain.recipient import MailboxKind, NoMailbox, Recipient, RecipientKind
from shared.domain.target import Mailbox, TargetState
from shared.ports.answers import RefusalKind

ANN = Recipient(
    RecipientKind.USER,
    "a.lee@contoso.example",
    "id-ann",
    "Ann",
    "Sales",
    "Lead",
    ("ann@contoso.example", "a.lee@contoso.example"),
    mailbox=MailboxKind.USER,
    privileged=True,
)


def test_a_mailbox_is_known_by_its_id_and_its_primary_address() -> None:
    assert (ANN.mailbox_id, ANN.primary_address, ANN.holder) == ("id-ann", "ann@contoso.example", "id-ann")


def test_whoever_has_no_mailbox_here_is_known_by_the_address() -> None:
    contact = Recipient(RecipientKind.CONTACT, "out@partner.example", "id-out")
    assert (contact.mailbox_id, contact.holder) == (None, "out@partner.example")


def test_a_member_that_we_may_not_read_is_known_by_its_id() -> None:
    assert Recipient(RecipientKind.UNKNOWN, "", "id-x").holder == "id-x"


def test_marks_are_those_of_the_policy() -> None:
    marked = ANN.marked({"id-bob"}, {"id-ann"})
    assert (marked.privileged, marked.protected) == (False, True)
    assert marked.marked((), {"id-ann"}) is marked
    nobody = Recipient(RecipientKind.UNKNOWN, "x@partner.example")
    assert nobody.marked({"id-bob"}, ()) is nobody


def test_a_target_keeps_whose_mailbox_it_is() -> None:
    assert Mailbox.of(ANN) == Mailbox.model_validate(
        {
            "id": "id-ann",
            "address": "ann@contoso.example",
            "name": "Ann",
            "department": "Sales",
            "privileged": True,
        }
    )
    group = Recipient(RecipientKind.GROUP, "sales@contoso.example", "id-sales")
    assert Mailbox.of(group) == Mailbox(address="sales@contoso.example")


def test_a_recipient_is_stored_as_the_last_release_stored_it() -> None:
    adapter = TypeAdapter(Recipient)
    stored = {
        "address": "ann@contoso.example",
        "kind": "user",
        "id": "id-ann",
        "name": "Ann",
        "department": "Sales",
        "jobTitle": "Lead",
        "addresses": ["ann@contoso.example"],
        "hiddenMembership": False,
        "noMailbox": "on_premises",
        "code": "MailboxNotEnabledForRESTAPI",
        "privileged": False,
        "protected": True,
    }
    found = adapter.validate_python(stored)
    assert (found.job_title, found.no_mailbox, found.protected) == ("Lead", NoMailbox.ON_PREMISES, True)
    assert adapter.dump_python(found, mode="json", exclude_none=True) == stored


def test_no_mailbox_is_one_word_everywhere() -> None:
    assert {*NoMailbox} <= {str(state) for state in TargetState}
    assert {*NoMailbox} <= {str(kind) for kind in RefusalKind}
