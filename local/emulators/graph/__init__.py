"""A Microsoft 365 tenant that answers as Graph v1.0 does, as far as Clawback and its tests ask.

`routes.py` says what is served. Anything else, be it a path, a query option, a property or an extended property,
is a 501 `LocalGraphNotSupported` that names it. A request passes: token, permission (Microsoft's own table),
injected faults, limits (4 requests at a time per app and mailbox, 20 in a batch …), latency, handler.

Facts are from reference/graph.md. Where Microsoft leaves something open the module that decides says so:

- whether `/users/{id}/messages` finds items in hidden folders: `--hidden-in-messages` (state.py);
- where DELETE puts a message: Deleted Items first, then Recoverable Items (mail.py);
- a name that a folder has already: 409 ErrorFolderExists; names differ in more than case (mailbox.py);
- Retry-After of a mailbox with too many requests at a time: one second (throttle.py).
"""
