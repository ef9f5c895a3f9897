"""What Schemathesis is told about the service beyond its document. known.json has the rules that JSON
Schema cannot say, each with its reason."""

import json
import re
import struct
from pathlib import Path

import schemathesis
from schemathesis.core.failures import Failure
from schemathesis.specs.openapi.checks import (
    allow_header_conformance,
    negative_data_rejection,
    positive_data_acceptance,
    unsupported_method,
)

KNOWN = json.loads((Path(__file__).parent / "known.json").read_text())


@schemathesis.deserializer("application/protojson")
def protojson(ctx, response):
    return json.loads(response.content)


@schemathesis.hook
def before_call(ctx, case, kwargs):
    """A watch has no end of its own, and lines have a place for the error that ends it."""
    if case.operation.path.endswith(":watch"):
        case.headers.update({"X-Server-Timeout": "1", "Accept": "application/x-ndjson"})


def is_known_rule(text):
    return any(re.fullmatch(known["rule"], text, re.DOTALL) for known in KNOWN["refused"])


def is_known_refusal(response):
    """Whether each rule that the answer names is known: one that is not would hide behind others."""
    body = json.loads(response.content)
    # Whether a tag names the state depends on the state.
    if body["reason"] == "PRECONDITION_FAILED":
        return True
    # A refusal that names no field has its rule in the message.
    texts = list(body["metadata"].values()) or [body["message"]]
    return all(
        # What a client has sent may have the separator in it.
        is_known_rule(text) or all(is_known_rule(rule) for rule in text.split("; "))
        for text in texts
    )


@schemathesis.check
def valid_data_is_accepted(ctx, response, case):
    try:
        return positive_data_acceptance(ctx, response, case)
    except Failure:
        if not is_known_refusal(response):
            raise
        return None


def rounds_to_a_float(message, query):
    """Whether the parameter at fault is above the largest float and is rounded to it, as Go's ParseFloat does."""
    broken = re.search(r"`([^`]+)` in query - violates `format`, `minimum`, `maximum` at", message)
    if broken is None:
        return False
    try:
        struct.pack("<f", float(query[broken[1]]))
    except (KeyError, TypeError, ValueError, OverflowError):
        return False
    return True


def is_known_acceptance(failure, case):
    # Several components have lines of their own.
    message = re.sub(r"\s+", " ", failure.message)
    if any(re.search(known["rule"], message) for known in KNOWN["accepted"]):
        return True
    if rounds_to_a_float(message, case.query or {}):
        return True
    # As "became null" and "became integer", in the words of another phase.
    field = re.search(r"in body - (.+): Incorrect type", message)
    if field is None or not isinstance(case.body, dict):
        return False
    return type(case.body.get(field[1])) in (int, type(None))


@schemathesis.check
def invalid_data_is_refused(ctx, response, case):
    try:
        return negative_data_rejection(ctx, response, case)
    except Failure as failure:
        if not is_known_acceptance(failure, case):
            raise
        return None


def has_verb_after_variable(case):
    """As /orders/{id}:cancel, which the variable of /orders/{id} takes, too: an id may have a colon."""
    return re.search(r"\}:[a-z]+$", case.operation.path) is not None


@schemathesis.check
def other_methods_are_refused(ctx, response, case):
    return None if has_verb_after_variable(case) else unsupported_method(ctx, response, case)


@schemathesis.check
def allow_is_right(ctx, response, case):
    return None if has_verb_after_variable(case) else allow_header_conformance(ctx, response, case)
