"""Helpers of drive.py: the container engine, through its command line, and clients of linkgate."""

import base64
import functools
import http.client
import itertools
import json
import os
import re
import secrets
import subprocess
import sys
import threading
import time
import urllib.parse

PUBLIC, MAILS, PROMETHEUS = (
    f"127.0.0.1:{os.environ.get(name, port)}"
    for name, port in (("HTTP_PORT", 8080), ("MAIL_PORT", 8025), ("PROMETHEUS_PORT", 9091))
)
REPLICAS = 3
compose = sys.argv[1:]


# --- The engine ------------------------------------------------------------------------------------------------------


def run(*command):
    """Runs the command and returns its stdout; a failure fails the test."""
    done = subprocess.run(command, capture_output=True, timeout=180)
    if done.returncode:
        raise AssertionError(f"{' '.join(command)}: {done.stderr.decode()[-2000:]}")
    return done.stdout.decode()


def containers(service):
    return sorted(run(*compose, "ps", "--all", "--quiet", service).split())


def inspect(container):
    return json.loads(run("docker", "inspect", container))[0]


def until(what, condition, seconds=60):
    """Polls the condition and returns its first truthy value; fails after `seconds`."""
    end = time.monotonic() + seconds
    while not (answer := condition()):
        if time.monotonic() > end:
            raise AssertionError(f"timed out after {seconds} s: {what}")
        time.sleep(0.2)
    return answer


def healthy(container):
    state = inspect(container)["State"]
    return state["Running"] and state["Health"]["Status"] == "healthy"


def logs(service):
    return "".join(run_both("docker", "logs", container) for container in containers(service))


def run_both(*command):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60).stdout.decode()


# --- Clients ---------------------------------------------------------------------------------------------------------


class Client:
    """A client with its own secret. With `source`, it connects from that address and to the balancer's own address:
    through the published port, the balancer would see the engine as the peer."""

    def __init__(self, source=None):
        self.secret = secrets.token_hex(32)
        self.source = source

    def open(self, method, path, body=None, timeout=60, **headers):
        if self.source:
            host = balancer_address()
            connection = http.client.HTTPConnection(host, 8080, timeout=timeout, source_address=(self.source, 0))
        else:
            connection = http.client.HTTPConnection(PUBLIC, timeout=timeout)
        headers = {"Host": PUBLIC, "Linkgate-Client": self.secret, "Accept": "application/json"} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        if body is not None:
            body, headers["Content-Type"] = json.dumps(body), "application/json"
        connection.request(method, path, body, headers)
        return connection.getresponse()

    def ask(self, method, path, body=None, want=200, **headers):
        answer = self.open(method, path, body, **headers)
        text = answer.read().decode()
        assert answer.status == want, f"{method} {route(path)}: {answer.status}, not {want}: {text[:500]}"
        return json.loads(text) if text else None

    def start(self):
        address = f"{secrets.token_hex(8)}@example.com"
        attempt = self.ask("POST", "/v1/attempts", {"email_address": address, "purpose": "sign_in"}, want=201)
        return Attempt(self, attempt, address)


class Attempt:
    def __init__(self, client, attempt, address):
        self.client, self.address = client, address
        self.path = f"/v1/attempts/{attempt['id']}"
        self.auth = {"Authorization": f"Bearer {attempt['attempt_token']}"}

    def link(self):
        """The path of the link in the mail."""
        found = fetch(f'/api/v1/search?query={urllib.parse.quote("to:" + self.address)}')["messages"]
        assert len(found) == 1, f"{len(found)} mails"
        text = fetch(f"/api/v1/message/{found[0]['ID']}")["Text"]
        return re.search(rf"http://{PUBLIC}(/v/\S+)", text)[1]

    def confirm(self):
        link = self.link()
        opened = self.client.ask("GET", link)
        assert opened["opener"] == "same_client", opened
        body = {"decision": "approve", "confirmation": opened["confirmation"]}
        assert self.client.ask("POST", link, body)["status"] == "verified"

    def wait(self, seconds):
        return self.client.ask("GET", f"{self.path}?wait={seconds}", **self.auth)

    def outcome(self):
        """Waits for the outcome. A stopping replica ends its polls early, so this polls again, on another replica."""
        while (now := self.wait(25))["status"] == "pending":
            pass
        return now

    def redeem(self):
        return self.client.ask("POST", f"{self.path}/redeem", **self.auth)


def route(path):
    return path.partition("?")[0][:40]


def fetch(path):
    connection = http.client.HTTPConnection(MAILS, timeout=10)
    connection.request("GET", path)
    return json.loads(connection.getresponse().read())


@functools.cache
def balancer_address():
    """The balancer's address in the network whose port is published."""
    (container,) = containers("balancer")
    networks = inspect(container)["NetworkSettings"]["Networks"]
    return next(of["IPAddress"] for name, of in networks.items() if name.endswith("_outside"))


networks_used = itertools.count()


def elsewhere():
    """A client in its own network, the next one of 198.18.0.0/15, which RFC 2544 reserves for tests."""
    second, third = divmod(next(networks_used), 256)
    source = f"198.{18 + second}.{third}.7"
    run("ip", "address", "add", f"{source}/32", "dev", "lo")
    return Client(source)


def sign_in(client=None):
    """Signs in: start, wait, open, verify, redeem. Returns the client and its session."""
    attempt = (client or Client()).start()
    waited = []
    waiter = threading.Thread(target=lambda: waited.append(attempt.outcome()), daemon=True)
    waiter.start()
    attempt.confirm()
    waiter.join(30)
    assert waited and waited[0]["status"] == "verified", f"the waiting client received {waited}"
    session = attempt.redeem()
    header, claims = (decoded(part) for part in session["session_token"].split(".")[:2])
    assert claims["iss"] == f"http://{PUBLIC}" and claims["email"] == attempt.address, claims
    keys = attempt.client.ask("GET", "/.well-known/jwks.json")["keys"]
    assert header["kid"] in [key["kid"] for key in keys], "the JWKS does not contain the signing key"
    return attempt.client, session


def decoded(part):
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


class Background:
    """Signs in repeatedly on a thread while the `with` block runs. The first failure stops it and fails the test."""

    def __enter__(self):
        self.done, self.count, self.failure = threading.Event(), 0, None
        self.thread = threading.Thread(target=self.go_on)
        self.thread.start()
        return self

    def go_on(self):
        try:
            while not self.done.wait(0.2):
                sign_in(elsewhere())
                self.count += 1
        except Exception as failure:
            self.failure = failure

    def __exit__(self, *_):
        self.done.set()
        self.thread.join(120)
        assert self.failure is None, f"sign-in {self.count + 1} failed: {self.failure!r}"
        assert self.count, "no sign-in completed meanwhile"
