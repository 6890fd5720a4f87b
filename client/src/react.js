"use client";
/** React hooks and components over the core. Everything public is described in react.d.ts. */
import { createContext, createElement, useContext, useEffect, useMemo, useReducer, useRef, useState } from "react";
import { createLinkgate } from "./linkgate.js";

export { EmailLinkErrorCode, EmailLinkErrorCodeStatus, isEmailLinkError } from "./linkgate.js";

const Context = createContext(null);

/** `url`: where linkgate is; or `linkgate`: a client made with createLinkgate, shared with code outside React. */
export function LinkgateProvider({ url, linkgate: given, locale, texts, onRelayCode, children }) {
  const latest = useRef(onRelayCode);
  useEffect(() => {
    latest.current = onRelayCode;
  });
  const own = !!onRelayCode;
  const linkgate = useMemo(
    () => given ?? createLinkgate({ url, locale, texts, onRelayCode: own ? (asked) => latest.current(asked) : undefined }),
    // Texts are often written in place: a new object with the same words is no reason for a new client.
    [given, url, locale, own],
  );
  // Resources change in place: what tells React is a new context value.
  const [version, changed] = useReducer((count) => count + 1, 0);
  useEffect(() => {
    const stop = linkgate.addListener(changed);
    linkgate.load().catch((error) => console.error("linkgate:", error));
    return stop;
  }, [linkgate]);
  const value = useMemo(() => ({ linkgate, version }), [linkgate, version]);
  return createElement(Context.Provider, { value }, children);
}

export function useLinkgate() {
  const value = useContext(Context);
  if (!value) throw new Error("linkgate's hooks and components need a provider above them.");
  return value.linkgate;
}

function useResource(name) {
  const { loaded, client, setActive } = useLinkgate();
  return loaded
    ? { isLoaded: true, [name]: client[name], setActive }
    : { isLoaded: false, [name]: undefined, setActive: undefined };
}
export const useSignIn = () => useResource("signIn");
export const useSignUp = () => useResource("signUp");

function useWho(name) {
  const linkgate = useLinkgate();
  const it = linkgate.loaded ? linkgate[name] : undefined;
  return { isLoaded: it !== undefined, isSignedIn: it === undefined ? undefined : it !== null, [name]: it };
}
export const useUser = () => useWho("user");
export const useSession = () => useWho("session");

export function useAuth() {
  const { getToken, signOut } = useLinkgate();
  const { isLoaded, isSignedIn, session } = useSession();
  const idOf = (it) => (isLoaded ? (it?.id ?? null) : undefined);
  return { isLoaded, isSignedIn, userId: idOf(session?.user), sessionId: idOf(session), getToken, signOut };
}

const nothing = { createEmailLinkFlow: () => ({ startEmailLinkFlow: missing, cancelEmailLinkFlow() {} }) };
async function missing() {
  throw new Error("useEmailLink was given nothing to verify.");
}

/** The email-link flow of a sign-in, a sign-up or an email address, memoised; unmounting cancels it. */
export function useEmailLink(resource) {
  const flow = useMemo(() => (resource ?? nothing).createEmailLinkFlow(), [resource]);
  useEffect(() => flow.cancelEmailLinkFlow, [flow]);
  return flow;
}

export const LinkgateLoaded = ({ children }) => (useLinkgate().loaded ? children : null);
export const LinkgateLoading = ({ children }) => (useLinkgate().loaded ? null : children);
export const SignedIn = ({ children }) => (useSession().isSignedIn ? children : null);
export const SignedOut = ({ children }) => (useSession().isSignedIn === false ? children : null);

const ROUND = {
  display: "grid", placeItems: "center", width: "2.25rem", height: "2.25rem", borderRadius: "50%", cursor: "pointer",
  background: "var(--linkgate-accent, #0a6654)", color: "var(--linkgate-on-accent, #fff)", fontWeight: 600,
  listStyle: "none", userSelect: "none",
};
const MENU = {
  position: "absolute", zIndex: 10, boxSizing: "border-box", width: "min(16rem, calc(100vw - 2rem))", marginTop: ".4rem", padding: "1rem",
  border: "1px solid var(--linkgate-border, #8886)", borderRadius: "var(--linkgate-radius, 14px)",
  background: "var(--linkgate-background, Canvas)", color: "var(--linkgate-color, CanvasText)",
};
const BUTTON = { width: "100%", marginTop: ".8rem", padding: ".5rem", font: "inherit", cursor: "pointer" };

/** Who is signed in, and the way out. */
export function UserButton({ afterSignOutUrl, label = "Account", signOutText = "Sign out" }) {
  const { signOut } = useLinkgate();
  const { user } = useUser();
  // Closed, or open towards the side with more room.
  const [open, setOpen] = useState(null);
  const [complaint, setComplaint] = useState("");
  const box = useRef(null);
  useEffect(() => {
    if (!open) return;
    const away = (event) => {
      if (event.key === "Escape" || (event.type === "pointerdown" && !box.current?.contains(event.target))) setOpen(null);
    };
    for (const type of ["keydown", "pointerdown"]) document.addEventListener(type, away);
    return () => {
      for (const type of ["keydown", "pointerdown"]) document.removeEventListener(type, away);
    };
  }, [open]);
  if (!user) return null;
  const address = user.primaryEmailAddress.emailAddress;
  const toggle = ({ currentTarget: it }) =>
    setOpen(it.open ? (it.getBoundingClientRect().left < innerWidth / 2 ? "left" : "right") : null);
  const leave = () => signOut({ redirectUrl: afterSignOutUrl }).catch((error) => setComplaint(error.message));
  return createElement(
    "details",
    { ref: box, open: !!open, onToggle: toggle, style: { position: "relative", display: "inline-block" } },
    createElement("summary", { "aria-label": `${label}: ${address}`, style: ROUND }, address[0].toUpperCase()),
    createElement(
      "div",
      { style: { ...MENU, [open ?? "right"]: 0 } },
      createElement("div", { style: { overflowWrap: "anywhere" } }, address),
      createElement("button", { type: "button", onClick: leave, style: BUTTON }, signOutText),
      createElement("div", { role: "alert" }, complaint),
    ),
  );
}
