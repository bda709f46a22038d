"""The indicators of an alert: those that its source named, and those that follow from them."""

from collections.abc import Iterable

from shared.domain.alert import Alert
from shared.domain.indicators import MAX_PER_ALERT, Indicator, IndicatorType, host, parse


def collect(alert: Alert) -> tuple[Indicator, ...]:
    """Its indicators, the hosts of its URLs and the senders of its messages: once each, sorted, at most 1,000."""
    found = {(indicator.type, indicator.value): indicator for indicator in _all(alert)}
    return tuple(found[key] for key in sorted(found)[:MAX_PER_ALERT])


def _all(alert: Alert) -> Iterable[Indicator]:
    for named in alert.indicators:
        # Alerts of an earlier release were kept before their indicators had one spelling.
        if indicator := parse(named.type, named.value, named.source):
            yield indicator
            if leads_to := host(indicator):
                yield leads_to
    for message in alert.messages:
        if message.sender and (sender := parse(IndicatorType.SENDER, message.sender, alert.source)):
            yield sender
