"""Runs the conformance suites of the local Cosmos DB and prints their counts as JSON.

A case is passed, refused (the service says that it does not support it) or different. What is refused or different
has to stand in expected.json with its reason. The exit code is 1 if anything else is, or if what stands there is passed
by now.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

_HERE = Path(__file__).parent
sys.path.insert(0, str(_HERE.parents[2]))

import urllib3  # noqa: E402 - after the path
from azure.cosmos.exceptions import CosmosHttpResponseError  # noqa: E402 - same

from tests.conformance.cosmosdb import sdk  # noqa: E402 - same
from tests.conformance.cosmosdb import service as local_service  # noqa: E402 - same
from tests.conformance.cosmosdb.samples import DOCUMENTS, SAMPLES, Sample  # noqa: E402 - same

REFUSALS = ("The local Cosmos DB does not support", "is not a function that the local Cosmos DB supports")
Outcome = dict[str, str]


def outcome(name: str, error: BaseException | None) -> Outcome:
    """How a case of this name ended."""
    if error is None:
        return {"name": name, "outcome": "passed", "reason": ""}
    text = " ".join(str(error).split())[:300] or repr(error)
    refused = isinstance(error, CosmosHttpResponseError) and any(words in str(error) for words in REFUSALS)
    return {"name": name, "outcome": "refused" if refused else "different", "reason": text}


async def run_javascript(service: local_service.Service) -> list[Outcome]:
    """Microsoft's JavaScript client."""
    environment = {
        **os.environ,
        "NODE_EXTRA_CA_CERTS": service.ca,
        "COSMOS_ENDPOINT": service.url,
        "COSMOS_TOKEN": local_service.token(),
    }
    process = await asyncio.create_subprocess_exec(
        "node", str(_HERE / "client.mjs"), env=environment, stdout=asyncio.subprocess.PIPE
    )
    told, _ = await process.communicate()
    outcomes: list[Outcome] = [json.loads(line) for line in told.splitlines()]
    if process.returncode or not outcomes:
        outcomes.append(outcome("js: the suite", RuntimeError(f"node ended with {process.returncode}")))
    return outcomes


async def run_samples(service: local_service.Service) -> list[Outcome]:
    """The documented query samples, through Microsoft's Python client."""
    container = service.container()
    for document in DOCUMENTS:
        await container.create_item(document)
    return [await _run_sample(container, sample) for sample in SAMPLES]


async def _run_sample(container: Any, sample: Sample) -> Outcome:
    where = "" if sample.partition is None else " (one partition)"
    name = f"sample: {sample.text}{where}"
    options: dict[str, Any] = {} if sample.partition is None else {"partition_key": sample.partition}
    given = [{"name": key, "value": value} for key, value in sample.parameters]
    try:
        told = [item async for item in container.query_items(sample.text, parameters=given, **options)]
    except CosmosHttpResponseError as error:
        return outcome(name, error)
    expected = sample.expected
    if not sample.ordered:
        told, expected = sorted(told, key=_text), sorted(expected, key=_text)
    return outcome(name, None if _text(told) == _text(expected) else AssertionError(f"{told} is not {expected}"))


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


async def run_sdk(service: local_service.Service) -> list[Outcome]:
    """What Microsoft's Python client is used for."""
    outcomes = []
    for case in sdk.CASES:
        name = f"py: {case.__name__.replace('_', ' ')}"
        try:
            await asyncio.wait_for(case(service), timeout=20)
        except Exception as error:  # noqa: BLE001 - whatever happens is the outcome
            outcomes.append(outcome(name, error))
        else:
            outcomes.append(outcome(name, None))
    return outcomes


def judge(outcomes: list[Outcome], expected: dict[str, dict[str, str]]) -> tuple[dict[str, Any], list[str]]:
    """The counts, and what is not as expected."""
    counts: dict[str, Any] = {"passed": 0, "refused": [], "different": []}
    surprises = []
    for told in outcomes:
        name, kind = told["name"], told["outcome"]
        known = [one for one in ("refused", "different") if name in expected[one]]
        if kind == "passed":
            counts["passed"] += 1
        else:
            counts[kind].append({"name": name, "reason": expected[kind].get(name, told["reason"])})
        if known != ([] if kind == "passed" else [kind]):
            surprises.append(f"{name}: {kind}, expected {known or 'passed'}. {told['reason']}")
    names = {told["name"] for told in outcomes}
    surprises += [f"{name}: there is no such case" for kind in expected.values() for name in kind if name not in names]
    return counts, surprises


async def main() -> int:
    """Run all suites. The exit code."""
    # The client without asyncio does not check the certificate of loopback, and warns of itself.
    urllib3.disable_warnings()
    async with local_service.start() as service:
        outcomes = [*await run_javascript(service), *await run_samples(service), *await run_sdk(service)]
    counts, surprises = judge(outcomes, json.loads((_HERE / "expected.json").read_bytes()))
    sys.stdout.write(json.dumps(counts, indent=2) + "\n")
    sys.stderr.writelines(f"{line}\n" for line in surprises)
    return 1 if surprises else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
