"""Creates real attempts, links, tickets and sessions, so that generated requests get past authentication.

Each is created over HTTP, as an application and a person would, and is used once.
"""

import itertools
import os
import uuid
from urllib.parse import parse_qs, urlsplit

import requests

BASE = os.environ["LINKGATE_URL"]
API_KEY = os.environ["LINKGATE_API_KEY"]
REDIRECT_URL = f"{BASE}/signed-in"
NUMBERS = itertools.count(1)


def call(method, path, *, status, client=None, token=None, **kwargs):
    """Sends a request that must have this status: without the supply, the run would test nothing."""
    headers = {"Accept": "application/json"}
    if client:
        headers["Linkgate-Client"] = client
    if token:
        headers["Authorization"] = f"Bearer {token}"
    answer = requests.request(method, BASE + path, headers=headers, timeout=10, **kwargs)
    if answer.status_code != status:
        raise RuntimeError(f"{method} {path.split('/v/')[0]}: {answer.status_code} {answer.text[:300]}")
    return answer


def fresh_address():
    return f"user{next(NUMBERS)}@example.com"


class Attempt:
    """A pending attempt with its link, started by a back end for a new client."""

    def __init__(self, purpose="sign_in", **more):
        self.client = uuid.uuid4().hex
        body = {"email_address": fresh_address(), "purpose": purpose, "deliver": False, **more}
        answer = call("POST", "/v1/attempts", status=201, token=API_KEY, client=self.client, json=body).json()
        self.id, self.token = answer["id"], answer["attempt_token"]
        self.link_token = answer["link"].rsplit("/", 1)[1]

    def confirmation(self, client=None):
        link = call("GET", f"/v/{self.link_token}", status=200, client=client or self.client)
        return link.json()["confirmation"]

    def decide(self, decision="approve", client=None):
        client = client or self.client
        body = {"decision": decision, "confirmation": self.confirmation(client)}
        self.outcome = call("POST", f"/v/{self.link_token}", status=200, client=client, json=body).json()
        return self

    def cancel(self):
        call("DELETE", f"/v1/attempts/{self.id}", status=204, token=self.token)
        return self

    def session(self):
        return call("POST", f"/v1/attempts/{self.id}/redeem", status=200, client=self.client, token=self.token).json()


def pending():
    return Attempt()


def verified():
    return Attempt().decide()


def denied():
    return Attempt().decide("deny")


def canceled():
    return Attempt().cancel()


def proven():
    """A verified attempt with purpose `verify_email`; redeeming it yields an email proof."""
    return Attempt("verify_email", sub="customer-1").decide()


def awaiting_code():
    """An attempt that waits for its relay code, which another client shows; `code` is the correct code."""
    attempt = Attempt(cross_device="relay_code").decide(client=uuid.uuid4().hex)
    attempt.code = attempt.outcome["relay_code"]
    return attempt


def ticket():
    attempt = Attempt(redirect_url=REDIRECT_URL, ticket=True).decide()
    return parse_qs(urlsplit(attempt.outcome["redirect_url"]).query)["__linkgate_ticket"][0]


def renewal():
    """The secret and the renewal token of a signed-in client without cookies."""
    attempt = verified()
    return attempt.client, attempt.session()["renewal_token"]


def cookies():
    """The cookies of a signed-in browser."""
    browser = requests.Session()
    body = {"email_address": fresh_address(), "purpose": "sign_in"}
    started = browser.post(f"{BASE}/v1/attempts", json=body, timeout=10).json()
    mails = requests.get(
        f"{BASE}/dev/mailbox",
        params={"to": body["email_address"]},
        headers={"Accept": "application/json"},
        timeout=10,
    ).json()
    link = mails[0]["link"]
    headers = {"Accept": "application/json", "Authorization": f"Bearer {started['attempt_token']}"}
    confirmation = browser.get(link, headers=headers, timeout=10).json()["confirmation"]
    browser.post(link, json={"decision": "approve", "confirmation": confirmation}, headers=headers, timeout=10)
    redeemed = browser.post(f"{BASE}/v1/attempts/{started['id']}/redeem", headers=headers, timeout=10)
    if redeemed.status_code != 200:
        raise RuntimeError(f"the browser is not signed in: {redeemed.status_code} {redeemed.text[:300]}")
    return "; ".join(f"{cookie.name}={cookie.value}" for cookie in browser.cookies)
