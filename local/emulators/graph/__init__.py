"""A Microsoft 365 tenant with the API of Microsoft Graph v1.0, as far as Clawback and its tests use it.

`routes.py` lists what is served. Anything else (a path, a query option, a property, an extended property) is
answered with 501 `LocalGraphNotSupported` and its name. What Graph refuses is refused as Graph does. A request goes
through these steps: token, permission (Microsoft's own table), injected faults, limits (4 requests at a time per app
and mailbox, 20 in a batch …), latency, handler. Filters are checked against Microsoft's entity model (`entities.py`).

Facts are from reference/graph.md and from Microsoft's pages that the modules name. Where Microsoft documents nothing,
this is assumed:

- whether `/users/{id}/messages` finds items in hidden folders: `--hidden-in-messages` (state.py);
- where DELETE puts a message: Deleted Items first, then Recoverable Items (mail.py);
- a second folder of the same name: 409 ErrorFolderExists, compared without regard to case (mailbox.py);
- Retry-After of a mailbox with too many requests at a time: one second (throttle.py);
- markup of a text body that is read as HTML: an escaped text with line breaks (bodies.py).
"""
