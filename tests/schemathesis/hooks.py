"""Puts real ids, tokens and cookies into the requests that schemathesis generates.

Every third request of an operation stays as generated; the others get valid values, and lose a foreign `Origin`, so
that they reach the handlers. All choices depend on the order of requests alone, so a seed reproduces a run.
"""

import atexit
import collections
import itertools
import json
import pathlib

import jsonschema_rs
import schemathesis
import supply
import yaml

DOCUMENT = yaml.safe_load(pathlib.Path("../../docs/openapi.yaml").read_text())
ATTEMPT = jsonschema_rs.validator_for({**DOCUMENT, "$ref": "#/components/schemas/Attempt"})

COUNTS = collections.Counter()
STATUSES = collections.Counter()

# The states in which attempts are handed out, in turn.
STATES = itertools.cycle([supply.pending, supply.verified, supply.canceled, supply.denied, supply.proven])
OVER = itertools.cycle([supply.verified, supply.canceled, supply.denied])


def with_attempt(case, attempt, client=True):
    case.path_parameters["id"] = attempt.id
    case.headers["Authorization"] = f"Bearer {attempt.token}"
    if client:
        case.headers["Linkgate-Client"] = attempt.client


def start(case, count):
    if count % 3:
        case.headers["Authorization"] = f"Bearer {supply.API_KEY}"
    if isinstance(case.body, dict):
        if count % 2:
            case.body["email_address"] = supply.fresh_address()
        if "redirect_url" in case.body:
            case.body["redirect_url"] = supply.REDIRECT_URL


def read(case, count):
    attempt = next(STATES)()
    with_attempt(case, attempt)
    # Nothing changes the attempt, so a longer wait would take up to 30 s.
    case.query["wait"] = count % 2
    case.headers.pop("Prefer", None)


def watch(case, count):
    # The stream of an unfinished attempt has no end.
    with_attempt(case, next(OVER)())


def cancel(case, count):
    with_attempt(case, next(STATES)())


def code(case, count):
    attempt = supply.awaiting_code() if count % 2 else next(STATES)()
    with_attempt(case, attempt)
    if count % 4 == 1 and isinstance(case.body, dict):
        case.body["code"] = attempt.code


def resend(case, count):
    with_attempt(case, next(STATES)())


def redeem(case, count):
    with_attempt(case, next(STATES)(), client=count % 4 != 0)


def link(case, count):
    attempt = next(STATES)()
    case.path_parameters["link_token"] = attempt.link_token
    if count % 2:
        case.headers["Linkgate-Client"] = attempt.client


def decide(case, count):
    attempt = supply.pending()
    case.path_parameters["link_token"] = attempt.link_token
    case.headers["Linkgate-Client"] = attempt.client
    if isinstance(case.body, dict):
        case.body["confirmation"] = attempt.confirmation()
    if count % 2:
        case.headers["Origin"] = supply.BASE
        case.headers["Accept"] = ["application/json", "text/html"][count % 4 // 2]


def reissue(case, count):
    link(case, count)
    case.headers["Origin"] = supply.BASE


def ticket(case, count):
    case.headers["Authorization"] = f"Bearer {supply.API_KEY}"
    if isinstance(case.body, dict):
        case.body["ticket"] = supply.ticket()


def session(case, count):
    case.headers["Cookie"] = supply.cookies()
    case.headers["Origin"] = supply.BASE


def renew(case, count):
    if count % 2:
        session(case, count)
    elif isinstance(case.body, dict):
        case.headers["Linkgate-Client"], case.body["renewal_token"] = supply.renewal()


MAKE_REAL = {
    "startAttempt": start,
    "getAttempt": read,
    "watchAttempt": watch,
    "cancelAttempt": cancel,
    "enterRelayCode": code,
    "resendLink": resend,
    "redeemAttempt": redeem,
    "openLink": link,
    "peekLink": link,
    "verifyLink": decide,
    "reissueLink": reissue,
    "redeemTicket": ticket,
    "getSession": session,
    "signOut": renew,
    "renewSessionToken": renew,
}


@schemathesis.hook
def before_call(context, case, kwargs):
    operation = case.operation.definition.raw.get("operationId")
    COUNTS[operation] += 1
    count = COUNTS[operation]
    make_real = MAKE_REAL.get(operation)
    if make_real is None or count % 3 == 0:
        return
    # linkgate rejects most requests from an origin that it does not trust, before any other check.
    case.headers.pop("Origin", None)
    make_real(case, count)


@schemathesis.hook
def after_call(context, case, response):
    operation = case.operation.definition.raw.get("operationId")
    STATUSES[operation, response.status_code] += 1
    if operation == "watchAttempt" and response.status_code == 200:
        events_are_attempts(response.content.decode())


def events_are_attempts(stream):
    """Every event of a finished stream is named `status` and holds an attempt."""
    events = [event for event in stream.split("\n\n") if event and not event.startswith(":")]
    assert events, "a stream without an event"
    for event in events:
        name, data = event.split("\n")
        assert name == "event: status", name
        ATTEMPT.validate(json.loads(data.removeprefix("data: ")))


@atexit.register
def report():
    """Prints the statuses of each operation; a failing supply shows here as missing 2xx."""
    for operation in MAKE_REAL:
        answers = [f"{status} x {count}" for (name, status), count in sorted(STATUSES.items()) if name == operation]
        print(f"{operation:18} {', '.join(answers)}")
