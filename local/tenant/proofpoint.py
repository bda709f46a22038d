"""The lure as Proofpoint TAP reports it: one answer of the SIEM API (reference/alert-formats.md 3.1)."""

import hashlib
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from local.tenant.transport import SENDER_IP, World

# TAP sees that a delivered mail was bad when its URL is clicked or changes: minutes after delivery.
_RECOGNISED_AFTER = timedelta(minutes=2)


def siem_answer(world: World, now: datetime, identifier: uuid.UUID) -> dict[str, Any]:
    """What `/v2/siem/messages/delivered` gives.

    Args:
        world: after everything has happened.
        now: the end of the window that was asked for.
        identifier: the event's id.
    """
    lure, message = world.scenario.lure, world.mails["lure"].message
    recognised = min(message.received + _RECOGNISED_AFTER, now)
    threat = hashlib.sha256(lure.url.encode()).hexdigest()
    body = hashlib.sha256(message.body.encode())
    return {
        "queryEndTime": _time(now),
        "messagesDelivered": [
            {
                "spamScore": 0,
                "phishScore": 100,
                "impostorScore": 0,
                "malwareScore": 0,
                "threatsInfoMap": [
                    {
                        "threatID": threat,
                        "threatStatus": "active",
                        "classification": "phish",
                        "threatType": "url",
                        "threat": lure.url,
                        "threatUrl": f"https://threatinsight.proofpoint.example/threat/email/{threat}",
                        "threatTime": _time(recognised),
                        "campaignID": None,
                        "actors": [],
                    }
                ],
                "messageTime": _time(message.received),
                "cluster": "contoso_hosted",
                "subject": message.subject,
                "quarantineFolder": None,
                "quarantineRule": None,
                "policyRoutes": ["default_inbound", "allow_relay"],
                "modulesRun": ["av", "spf", "dkimv", "spam", "dmarc", "pdr", "urldefense"],
                "messageSize": 2048 + len(message.body),
                "headerFrom": f'"{lure.sender.name}" <{lure.sender.address}>'
                if lure.sender.name
                else lure.sender.address,
                "headerReplyTo": None,
                "fromAddress": [lure.sender.address],
                "ccAddresses": [],
                "replyToAddress": [],
                "toAddresses": [address.address for address in message.to],
                "xmailer": None,
                "messageParts": [
                    {
                        "disposition": "inline",
                        "sha256": body.hexdigest(),
                        "md5": hashlib.md5(message.body.encode(), usedforsecurity=False).hexdigest(),
                        "filename": "text.txt",
                        "sandboxStatus": None,
                        "oContentType": "text/plain",
                        "contentType": "text/plain",
                    }
                ],
                "completelyRewritten": True,
                "id": str(identifier),
                "QID": identifier.hex[:14],
                "GUID": str(identifier),
                # The envelope's sender, whose local part TAP may hash.
                "sender": lure.sender.address,
                "recipient": [address for _, address in world.directory.lure_to],
                "senderIP": SENDER_IP,
                "messageID": message.internet_message_id,
            }
        ],
    }


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
