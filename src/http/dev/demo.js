import { createLinkgate, isOver } from "/client.js";

const linkgate = createLinkgate({ url: location.origin });
const tabs = new BroadcastChannel("linkgate-demo");
const KEPT = "linkgate-demo-attempt";
const NAME = document.title;
const $ = (id) => document.getElementById(id);

const RETURNED = {
  verified: "Confirmed. If you asked on another device, go on there: that is where you are signed in.",
  expired: "That link had expired. Ask for a new one.",
  failed: "That link no longer works: it was used, replaced by a newer one or canceled.",
  client_mismatch: "That link works only in the browser in which it was asked for.",
  denied: "Thank you for telling us. Nobody was signed in.",
};
const ENDED = {
  denied: ["That was refused", "Whoever opened the link said that it was not them. Nobody was signed in."],
  canceled: ["Canceled", "The link in the mail no longer works."],
  expired: ["The link has expired", "Nobody opened it in time. Ask for a new one."],
  too_many_codes: ["Too many wrong codes", "For safety this attempt has ended. Start again to get a new link."],
  mail_rejected: ["The mail was not accepted", "The mail server does not take mail for this address. Is it spelt right?"],
  state_lost: ["The attempt was lost", "The service lost its memory of it, for example in a restart. Please start again."],
  failed: ["That did not work", "Please start again."],
  elsewhere: ["Signed in on the other device", "You chose to sign in where you opened the link. This page stays signed out."],
  unknown: ["This attempt has ended", "The service no longer knows it. Please start again."],
};
const SORRY = {
  network_error: "The service does not answer. Are you online?",
  store_unavailable: "The service is busy recovering. Try again in a moment.",
  mail_unavailable: "The mail could not be sent just now. Try again in a moment.",
  invalid_email_address: "This is not an address that mail can be sent to.",
};

/** The attempt this page waits for: {attempt, skew}; skew is the service's clock minus ours, in milliseconds. */
let waiting = null;
let stopWaiting = new AbortController();
let timer = 0;
// Kept until a start succeeds, so that repeating the same one after a failure sends no second mail.
let start = { input: "", key: "" };

function explain(error) {
  if (error.status === 429 && error.retryAfter) return `Too many requests. Try again in ${duration(error.retryAfter * 1000)}.`;
  return SORRY[error.code] ?? error.message;
}

function duration(ms) {
  const seconds = Math.max(0, Math.ceil(ms / 1000));
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

function say(text, bad = false) {
  $("message").textContent = text;
  $("message").classList.toggle("bad", bad);
  $("message").hidden = !text;
}

function complain(id, input, text) {
  $(id).textContent = text;
  $(id).hidden = !text;
  if (text) input.setAttribute("aria-invalid", "true");
  else input.removeAttribute("aria-invalid");
}

function show(id, focus) {
  for (const view of ["start", "waiting", "ended", "signed-in"]) $(view).hidden = view !== id;
  entitle(id);
  if (focus) (id === "start" ? $("email") : $(`${id}-title`)).focus();
}

/** The tab says what its page says: whoever waits in another one sees that it went on. */
function entitle(id) {
  document.title = id === "start" ? NAME : `${$(`${id}-title`).textContent} · ${NAME}`;
}

function keep(attempt) {
  // The service tells whole seconds, and the answer was on its way: less than two seconds is no difference.
  const difference = Date.parse(attempt.created_at) - Date.now();
  waiting = { attempt, skew: waiting?.skew ?? (Math.abs(difference) < 2000 ? 0 : difference) };
  sessionStorage.setItem(KEPT, JSON.stringify(waiting));
  paint();
}

function drop() {
  stopWaiting.abort();
  clearInterval(timer);
  waiting = null;
  sessionStorage.removeItem(KEPT);
}

function paint() {
  const { attempt } = waiting;
  $("waiting-email").textContent = attempt.email_address;
  $("mailbox").href = `/dev/mailbox?to=${encodeURIComponent(attempt.email_address)}`;
  const wanted = attempt.status === "awaiting_code";
  const asked = !$("code-form").hidden;
  $("code-form").hidden = !wanted;
  $("mailed").hidden = $("mailbox").hidden = wanted;
  $("waiting-title").textContent = wanted ? "Type in the code" : "Check your mail";
  if (!$("waiting").hidden) entitle("waiting");
  if (wanted && !asked) {
    $("relay-code").focus();
    say("The link was opened on another device or browser, which can show you a code.");
  }
  tick();
}

function tick() {
  const now = Date.now() + waiting.skew;
  $("countdown").textContent = duration(Date.parse(waiting.attempt.expires_at) - now);
  const left = Date.parse(waiting.attempt.resend_after) - now;
  $("resend").disabled = left > 0;
  $("resend").textContent = left > 0 ? `Resend in ${duration(left)}` : "Resend";
}

async function follow(attempt, focus) {
  stopWaiting = new AbortController();
  const { signal } = stopWaiting;
  keep(attempt);
  clearInterval(timer);
  timer = setInterval(tick, 500);
  complain("code-complaint", $("relay-code"), "");
  $("relay-code").value = "";
  show("waiting", focus && attempt.status === "pending");
  try {
    // Progress reported by the attempt's other calls must not be undone by what this one began with.
    const onStatus = (next) => waiting && keep({ ...waiting.attempt, ...next });
    await finish(await linkgate.wait(attempt, { signal, onStatus }));
  } catch (error) {
    if (!signal.aborted) end("unknown");
  }
}

let finishing = null;
function finish(attempt) {
  finishing ??= conclude(attempt).finally(() => (finishing = null));
  return finishing;
}

async function conclude(attempt) {
  if (!waiting || waiting.attempt.id !== attempt.id) return;
  if (attempt.status !== "verified") return end(ENDED[attempt.failure] ? attempt.failure : attempt.status);
  if (attempt.signed_in === "opener" && !attempt.verified_from_same_client) return end("elsewhere");
  for (;;) {
    try {
      await linkgate.redeem(attempt);
      break;
    } catch (error) {
      if (error.code === "signed_in_elsewhere") return end("elsewhere");
      if (!error.transient) return end("unknown");
      say(explain(error), true);
      await new Promise((wake) => setTimeout(wake, (error.retryAfter ?? 2) * 1000 * (1 + Math.random() / 2)));
      if (!waiting) return;
    }
  }
  drop();
  say("");
  await refresh(true);
  tabs.postMessage("signed in");
}

function end(why) {
  drop();
  say("");
  const [title, text] = ENDED[why] ?? ENDED.failed;
  $("ended-title").textContent = title;
  $("ended-text").textContent = text;
  show("ended", true);
}

function claims(token) {
  const part = token.split(".")[1].replace(/-/g, "+").replace(/_/g, "/");
  const bytes = Uint8Array.from(atob(part), (char) => char.charCodeAt(0));
  return JSON.stringify(JSON.parse(new TextDecoder().decode(bytes)), null, 2);
}

/** Shows who is signed in, or the start. Resolves to whether somebody is. */
async function refresh(focus = false) {
  let session;
  try {
    session = await linkgate.readSession();
  } catch (error) {
    say(explain(error), true);
    if (!waiting && $("signed-in").hidden) show("start", focus);
    return false;
  }
  if (!session) {
    if (!waiting) show("start", focus);
    return false;
  }
  drop();
  $("user-email").textContent = session.user.email_address;
  $("user-id").textContent = session.user.id;
  $("session-id").textContent = session.id;
  show("signed-in", focus);
  await showClaims();
  return true;
}

async function showClaims() {
  if (!$("token").open) return;
  try {
    const token = await linkgate.getToken();
    $("claims").textContent = token ? claims(token) : "Nobody is signed in any more.";
  } catch (error) {
    $("claims").textContent = explain(error);
  }
}

/** What a button does, with the button out of reach meanwhile and failures said aloud. */
function act(button, action) {
  button.addEventListener("click", async () => {
    button.disabled = true;
    try {
      await action();
    } catch (error) {
      say(explain(error), true);
    } finally {
      button.disabled = false;
      if (waiting) tick();
    }
  });
}

$("start-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const fields = new FormData(event.target);
  const button = event.target.querySelector("button");
  const emailAddress = fields.get("email");
  const purpose = fields.get("purpose");
  const input = `${purpose} ${emailAddress}`;
  if (start.input !== input) start = { input, key: crypto.randomUUID() };
  complain("start-complaint", $("email"), "");
  say("");
  button.disabled = true;
  try {
    const attempt = await linkgate.start(
      { emailAddress, purpose, redirectUrl: `${location.origin}/`, locale: navigator.language.split("-")[0] },
      { idempotencyKey: start.key },
    );
    start = { input: "", key: "" };
    waiting = null;
    follow(attempt, true);
  } catch (error) {
    // After a lost answer the key must stay; a refusal was final.
    if (!error.transient) start = { input: "", key: "" };
    complain("start-complaint", $("email"), explain(error));
  } finally {
    button.disabled = false;
  }
});

$("code-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const button = event.target.querySelector("button");
  const field = $("relay-code");
  complain("code-complaint", field, "");
  button.disabled = true;
  try {
    const attempt = await linkgate.enterCode(waiting.attempt, field.value);
    if (isOver(attempt)) await finish(attempt);
  } catch (error) {
    if (!waiting) return;
    if (error.code === "code_incorrect") {
      const left = error.code_tries_left;
      complain("code-complaint", field, `That is not the code. ${left === 1 ? "One try" : `${left} tries`} left.`);
      field.select();
    } else if (error.code === "attempt_over") {
      linkgate.get(waiting.attempt).then(finish).catch(() => end("failed"));
    } else complain("code-complaint", field, explain(error));
  } finally {
    button.disabled = false;
  }
});

act($("resend"), async () => {
  try {
    keep(await linkgate.resend(waiting.attempt));
    say("A new link is on its way. Only the newest one works.");
  } catch (error) {
    if (!waiting) return;
    if (error.code === "attempt_over") return finish(await linkgate.get(waiting.attempt));
    if (error.status === 429 && error.retryAfter) {
      const resend_after = new Date(Date.now() + waiting.skew + error.retryAfter * 1000).toISOString();
      keep({ ...waiting.attempt, resend_after });
    }
    throw error;
  }
});

act($("cancel"), async () => {
  try {
    await linkgate.cancel(waiting.attempt);
  } catch (error) {
    if (!waiting) return;
    if (error.code === "attempt_over") return finish(await linkgate.get(waiting.attempt));
    throw error;
  }
  if (waiting) end("canceled");
});

act($("sign-out"), async () => {
  await linkgate.signOut();
  tabs.postMessage("signed out");
  await signedOut("You are signed out.", true);
});

$("again").addEventListener("click", () => show("start", true));
$("token").addEventListener("toggle", showClaims);

async function signedOut(text, focus) {
  $("token").open = false;
  $("claims").textContent = "";
  say(text);
  await refresh(focus);
}

tabs.addEventListener("message", async ({ data }) => {
  if (data === "signed in" && $("signed-in").hidden && (await refresh())) say("You have signed in in another tab.");
  if (data === "signed out" && !$("signed-in").hidden) await signedOut("You have signed out in another tab.");
});

/** Takes linkgate's parameters out of the address bar and gives the status. */
function returned() {
  const url = new URL(location.href);
  const status = url.searchParams.get("__linkgate_status");
  for (const name of [...url.searchParams.keys()]) {
    if (name.startsWith("__linkgate_")) url.searchParams.delete(name);
  }
  if (url.href !== location.href) history.replaceState(history.state, "", url);
  return status;
}

const status = returned();
let kept = null;
try {
  kept = JSON.parse(sessionStorage.getItem(KEPT));
} catch {
  sessionStorage.removeItem(KEPT);
}
if (await refresh()) {
  if (status) {
    say(status === "verified" ? "Welcome. The link signed you in." : (RETURNED[status] ?? ""), status !== "verified");
    if (status === "verified") tabs.postMessage("signed in");
  }
} else {
  if (status && RETURNED[status]) say(RETURNED[status], status !== "verified" && status !== "denied");
  if (kept?.attempt) {
    waiting = kept;
    follow(kept.attempt);
  }
}
