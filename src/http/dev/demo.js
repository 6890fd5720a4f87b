// The demo of `linkgate dev`: a small application on the public API of /client.js.
import { createLinkgate, isEmailLinkError } from "/client.js";

const linkgate = createLinkgate({ url: location.origin });
const KEPT = "linkgate-demo-attempt";
const NAME = document.title;
const $ = (id) => document.getElementById(id);

const RETURNED = {
  verified: "Confirmed. If you asked on another device, continue there: that is where you are signed in.",
  expired: "That link had expired. Ask for a new one.",
  failed: "That link no longer works: it was used, replaced by a newer one or canceled.",
  client_mismatch: "That link works only in the browser in which it was asked for.",
  denied: "Thank you for telling us. Nobody was signed in.",
};
const ENDED = {
  denied: ["That was refused", "The person who opened the link did not ask for it. Nobody was signed in."],
  canceled: ["Canceled", "The link in the mail no longer works."],
  expired: ["The link has expired", "Nobody opened it in time. Ask for a new one."],
  too_many_codes: ["Too many wrong codes", "For safety this attempt has ended. Start again to get a new link."],
  mail_rejected: ["The mail was not accepted", "The mail server rejects mail for this address. Is it spelled correctly?"],
  state_lost: ["The attempt was lost", "The service lost it, for example in a restart. Please start again."],
  failed: ["That did not work", "Please start again."],
  signed_in_elsewhere: ["Signed in on the other device", "You chose to sign in where you opened the link. This page stays signed out."],
  unknown: ["This attempt has ended", "The service no longer knows it. Please start again."],
};
const SORRY = {
  network_error: "The service does not answer. Are you online?",
  store_unavailable: "The service is busy recovering. Try again in a moment.",
  mail_unavailable: "The mail could not be sent just now. Try again in a moment.",
  invalid_email_address: "This is not an address that mail can be sent to.",
};

/** The attempt that this page waits for. */
let waiting = null;
let stopWaiting = new AbortController();
let timer = 0;
// Kept until a start succeeds or is refused: repeating a start with the same key sends no second mail.
let start = { input: "", key: "" };
/** The session on display: null for none, undefined before the first. */
let shown;
/** While this page itself signs in or out. Other changes come from other tabs. */
let acting = false;

// --- The page ---

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

/** The tab's title follows the view, so that a person in another tab sees the progress. */
function entitle(id) {
  document.title = id === "start" ? NAME : `${$(`${id}-title`).textContent} · ${NAME}`;
}

/** What a button or form does: disables its button meanwhile, and shows failures. */
async function act(button, action, failed = (error) => say(explain(error), true)) {
  button.disabled = true;
  try {
    await action();
  } catch (error) {
    failed(error);
  } finally {
    button.disabled = false;
    if (waiting) tick();
  }
}

// --- Who is signed in ---

linkgate.addListener(({ session }) => {
  if (session === undefined || session === shown) return;
  const byOtherTab = shown !== undefined && !acting;
  shown = session;
  if (session) {
    drop();
    $("user-email").textContent = session.user.primaryEmailAddress.emailAddress;
    $("user-id").textContent = session.user.id;
    $("session-id").textContent = session.id;
    show("signed-in", acting);
    say(byOtherTab ? "You have signed in in another tab." : "");
    showClaims();
  } else {
    $("token").open = false;
    $("claims").textContent = "";
    if (!waiting) show("start", acting);
    say(byOtherTab ? "You have signed out in another tab." : "");
  }
});

/** Signs in or out from this page. */
async function change(action) {
  acting = true;
  try {
    await action();
  } finally {
    acting = false;
  }
}

async function showClaims() {
  if (!$("token").open) return;
  try {
    const [, claims] = (await linkgate.getToken())?.split(".") ?? [];
    if (!claims) return;
    const bytes = Uint8Array.from(atob(claims.replace(/-/g, "+").replace(/_/g, "/")), (char) => char.charCodeAt(0));
    $("claims").textContent = JSON.stringify(JSON.parse(new TextDecoder().decode(bytes)), null, 2);
  } catch (error) {
    $("claims").textContent = explain(error);
  }
}

// --- The attempt ---

function keep(attempt) {
  waiting = attempt;
  sessionStorage.setItem(KEPT, JSON.stringify(attempt));
  $("waiting-email").textContent = attempt.email_address;
  $("mailbox").href = `/dev/mailbox?to=${encodeURIComponent(attempt.email_address)}`;
  const wanted = attempt.status === "awaiting_code";
  const asked = !$("code-form").hidden;
  $("code-form").hidden = !wanted;
  $("mailed").hidden = $("mailbox").hidden = wanted;
  $("waiting-title").textContent = wanted ? "Enter the code" : "Check your mail";
  if (!$("waiting").hidden) entitle("waiting");
  if (wanted && !asked) {
    $("relay-code").focus();
    say("The link was opened on another device or browser, which can show you a code.");
  }
  tick();
}

function drop() {
  stopWaiting.abort();
  clearInterval(timer);
  waiting = null;
  sessionStorage.removeItem(KEPT);
}

/** Timestamps are whole seconds and responses take a moment: with less than two seconds between them, the clocks agree. */
const serviceTime = () => Date.now() + (Math.abs(waiting.skew) < 2000 ? 0 : waiting.skew);

function tick() {
  const now = serviceTime();
  $("countdown").textContent = duration(Date.parse(waiting.expires_at) - now);
  const left = Date.parse(waiting.resend_after) - now;
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
    const ended = await linkgate.wait(attempt, { signal, onStatus: keep });
    if (ended.status === "verified") await signIn(ended, signal);
    else end(ENDED[ended.failure] ? ended.failure : ended.status);
  } catch (error) {
    if (!signal.aborted) end(error.code === "signed_in_elsewhere" ? error.code : "unknown");
  }
}

/** Redeems the attempt and makes its session the active one, through outages. */
async function signIn(attempt, signal) {
  for (;;) {
    try {
      const { id } = await linkgate.redeem(attempt, { signal });
      return await change(() => linkgate.setActive({ session: id }));
    } catch (error) {
      if (!error.transient) throw error;
      say(explain(error), true);
      await new Promise((wake) => setTimeout(wake, (error.retryAfter ?? 2) * 1000 * (1 + Math.random() / 2)));
    }
  }
}

function end(why) {
  drop();
  say("");
  const [title, text] = ENDED[why] ?? ENDED.failed;
  $("ended-title").textContent = title;
  $("ended-text").textContent = text;
  show("ended", true);
}

// --- Forms and buttons ---

$("start-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const { email: emailAddress, purpose } = Object.fromEntries(new FormData(event.target));
  const input = `${purpose} ${emailAddress}`;
  if (start.input !== input) start = { input, key: crypto.randomUUID() };
  complain("start-complaint", $("email"), "");
  say("");
  const begin = async () => {
    const fields = { emailAddress, purpose, redirectUrl: `${location.origin}/`, locale: navigator.language.split("-")[0] };
    const attempt = await linkgate.start(fields, { idempotencyKey: start.key });
    start = { input: "", key: "" };
    follow(attempt, true);
  };
  act(event.submitter, begin, (error) => {
    if (!error.transient) start = { input: "", key: "" };
    complain("start-complaint", $("email"), explain(error));
  });
});

$("code-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const field = $("relay-code");
  complain("code-complaint", field, "");
  act(event.submitter, () => linkgate.enterCode(waiting, field.value), (error) => {
    // `follow` hears of the end as well.
    if (!waiting || error.code === "attempt_over") return;
    const left = error.code_tries_left;
    const wrong = `That is not the code. ${left === 1 ? "One try" : `${left} tries`} left.`;
    complain("code-complaint", field, error.code === "code_incorrect" ? wrong : explain(error));
    field.select();
  });
});

$("resend").addEventListener("click", () => {
  const resend = async () => {
    keep(await linkgate.resend(waiting));
    say("A new link is on its way. Only the newest one works.");
  };
  act($("resend"), resend, (error) => {
    if (!waiting || error.code === "attempt_over") return;
    if (error.status === 429 && error.retryAfter) {
      const resend_after = new Date(serviceTime() + error.retryAfter * 1000).toISOString();
      keep({ ...waiting, resend_after });
    }
    say(explain(error), true);
  });
});

$("cancel").addEventListener("click", () => {
  const cancel = async () => {
    await linkgate.cancel(waiting);
    if (waiting) end("canceled");
  };
  act($("cancel"), cancel, (error) => waiting && error.code !== "attempt_over" && say(explain(error), true));
});

$("sign-out").addEventListener("click", () => {
  act($("sign-out"), () => change(linkgate.signOut).then(() => say("You are signed out.")));
});
$("again").addEventListener("click", () => show("start", true));
$("token").addEventListener("toggle", showClaims);

// --- The beginning ---

/** The page was opened by a link. */
async function arrive(status) {
  try {
    const elsewhere = (await linkgate.handleEmailLinkVerification()) === null;
    say(elsewhere ? RETURNED.verified : "Welcome. The link signed you in.");
  } catch (error) {
    say(isEmailLinkError(error) ? (RETURNED[status] ?? "") : explain(error), status !== "denied");
  }
}

const status = new URLSearchParams(location.search).get("__linkgate_status");
// In an outage, `load` waits for the service.
const slow = setTimeout(() => (show("start"), say(SORRY.store_unavailable, true)), 2000);
try {
  await linkgate.load();
} catch (error) {
  show("start");
  say(explain(error), true);
}
clearTimeout(slow);
if (status) await arrive(status);
let kept = null;
try {
  kept = JSON.parse(sessionStorage.getItem(KEPT));
} catch {
  sessionStorage.removeItem(KEPT);
}
if (kept && !shown && !waiting) follow(kept);
