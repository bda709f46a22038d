"""A message's body as HTML and as text.

Graph answers in HTML unless a request prefers text ("List messages": `Prefer: outlook.body-content-type`). How
Exchange converts one into the other is not documented, so a test should look for words and not for markup.
"""

import html as markup
from html.parser import HTMLParser
from typing import Any

from local.emulators.graph.model import Message

PREFERENCE = "outlook.body-content-type"
TEXT, HTML = "text", "html"

_UNSEEN = frozenset({"script", "style", "head", "title"})
_BREAKS = frozenset({"br", "p", "div", "tr", "li", "h1", "h2", "h3", "h4", "h5", "h6"})


class _Words(HTMLParser):
    """Collects what a reader of the page sees."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []
        self._unseen = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002 - the parser's signature
        if tag in _UNSEEN:
            self._unseen += 1
        elif tag in _BREAKS:
            self.found.append("\n")

    def handle_endtag(self, tag: str) -> None:
        if tag in _UNSEEN and self._unseen:
            self._unseen -= 1

    def handle_data(self, data: str) -> None:
        if not self._unseen:
            self.found.append(data)


def as_text(message: Message) -> str:
    """The body without markup."""
    if message.body_type == TEXT:
        return message.body
    words = _Words()
    words.feed(message.body)
    words.close()
    return "".join(words.found).strip()


def text(message: Message) -> dict[str, Any]:
    """The body as an `itemBody` in text."""
    return {"contentType": TEXT, "content": as_text(message)}


def html(message: Message) -> dict[str, Any]:
    """The body as an `itemBody` in HTML."""
    if message.body_type == HTML:
        return {"contentType": HTML, "content": message.body}
    lines = markup.escape(message.body, quote=False).replace("\n", "<br>\n")
    return {"contentType": HTML, "content": f"<html><body>{lines}</body></html>"}
