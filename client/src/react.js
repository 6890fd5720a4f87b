"use client";
/** React hooks and components over the core. */
import { createContext, createElement, useContext, useEffect, useMemo, useReducer, useRef, useState } from "react";
import { createLinkgate } from "./linkgate.js";

/** @import { ReactNode } from "react" */
/**
 * @import {
 *   EmailLinkFlow, Linkgate, LinkgateOptions, SessionResource, SetActiveParams, SignInResource, SignOut, SignUpResource, UserResource
 * } from "./linkgate.js"
 */

export { EmailLinkErrorCode, EmailLinkErrorCodeStatus, isEmailLinkError } from "./linkgate.js";

/** @typedef {{ children?: ReactNode }} Children */
/**
 * The service's URL, or `linkgate`: a client made with createLinkgate, shared with code outside React.
 * @typedef {Children & (LinkgateOptions | ({ linkgate: Linkgate } & { url?: undefined }))} LinkgateProviderProps
 */
/** @typedef {(params: SetActiveParams) => Promise<void>} SetActive */

const Context = createContext(/** @type {{ linkgate: Linkgate } | null} */ (null));

/**
 * Creates one linkgate client and loads it. Wrap the application in it.
 * @param {LinkgateProviderProps} props
 * @returns {ReactNode}
 */
export function LinkgateProvider(props) {
  const { url, linkgate: given, locale, texts, onRelayCode, children } =
    /** @type {Children & LinkgateOptions & { linkgate?: Linkgate }} */ (props);
  const latest = useRef(onRelayCode);
  useEffect(() => {
    latest.current = onRelayCode;
  });
  const own = !!onRelayCode;
  const linkgate = useMemo(
    () => given ?? createLinkgate({ url, locale, texts, onRelayCode: own ? (request) => latest.current?.(request) : undefined }),
    // Without `texts`: they are often written inline, and a new object with the same words must not create a new client.
    [given, url, locale, own],
  );
  // Resources change in place, so only a new context value makes React render again.
  const [version, changed] = useReducer((count) => count + 1, 0);
  useEffect(() => {
    const stop = linkgate.addListener(changed);
    linkgate.load().catch((error) => console.error("linkgate:", error));
    return stop;
  }, [linkgate]);
  const value = useMemo(() => ({ linkgate, version }), [linkgate, version]);
  return createElement(Context.Provider, { value }, children);
}

/** @returns {Linkgate} */
export function useLinkgate() {
  const value = useContext(Context);
  if (!value) throw new Error("linkgate's hooks and components need a LinkgateProvider above them.");
  return value.linkgate;
}

/** @param {"signIn" | "signUp"} name */
function useResource(name) {
  const { loaded: isLoaded, client, setActive } = useLinkgate();
  return { isLoaded, [name]: client?.[name], setActive: isLoaded ? setActive : undefined };
}

/**
 * @type {() =>
 *   | { isLoaded: false, signIn: undefined, setActive: undefined }
 *   | { isLoaded: true, signIn: SignInResource, setActive: SetActive }}
 */
export const useSignIn = () => /** @type {any} */ (useResource("signIn"));
/**
 * @type {() =>
 *   | { isLoaded: false, signUp: undefined, setActive: undefined }
 *   | { isLoaded: true, signUp: SignUpResource, setActive: SetActive }}
 */
export const useSignUp = () => /** @type {any} */ (useResource("signUp"));

/** @param {"session" | "user"} name */
function useSignedIn(name) {
  const linkgate = useLinkgate();
  const value = linkgate.loaded ? linkgate[name] : undefined;
  const isLoaded = value !== undefined;
  return { isLoaded, isSignedIn: isLoaded ? value !== null : undefined, [name]: value };
}

/**
 * @type {() =>
 *   | { isLoaded: false, isSignedIn: undefined, user: undefined }
 *   | { isLoaded: true, isSignedIn: false, user: null }
 *   | { isLoaded: true, isSignedIn: true, user: UserResource }}
 */
export const useUser = () => /** @type {any} */ (useSignedIn("user"));
/**
 * @type {() =>
 *   | { isLoaded: false, isSignedIn: undefined, session: undefined }
 *   | { isLoaded: true, isSignedIn: false, session: null }
 *   | { isLoaded: true, isSignedIn: true, session: SessionResource }}
 */
export const useSession = () => /** @type {any} */ (useSignedIn("session"));

/**
 * @returns {{
 *   isLoaded: boolean, isSignedIn: boolean | undefined, userId: string | null | undefined, sessionId: string | null | undefined,
 *   getToken: Linkgate["getToken"], signOut: SignOut,
 * }}
 */
export function useAuth() {
  const { getToken, signOut } = useLinkgate();
  const { isLoaded, isSignedIn, session } = useSession();
  /** @param {{ id: string } | null | undefined} resource */
  const idOf = (resource) => (isLoaded ? (resource?.id ?? null) : undefined);
  return { isLoaded, isSignedIn, userId: idOf(session?.user), sessionId: idOf(session), getToken, signOut };
}

const NOTHING = {
  createEmailLinkFlow: () => ({
    async startEmailLinkFlow() {
      throw new Error("useEmailLink has no resource to verify.");
    },
    cancelEmailLinkFlow() {},
  }),
};

/**
 * The email-link flow of a sign-in, a sign-up or an email address, memoised. Unmounting cancels it.
 * @template Resource
 * @template Params
 * @param {{ createEmailLinkFlow(): EmailLinkFlow<Resource, Params> } | null | undefined} resource
 * @returns {EmailLinkFlow<Resource, Params>}
 */
export function useEmailLink(resource) {
  const flow = useMemo(() => (resource ?? NOTHING).createEmailLinkFlow(), [resource]);
  useEffect(() => flow.cancelEmailLinkFlow, [flow]);
  return flow;
}

/** @type {(props: Children) => ReactNode} */
export const LinkgateLoaded = ({ children }) => (useLinkgate().loaded ? children : null);
/** @type {(props: Children) => ReactNode} */
export const LinkgateLoading = ({ children }) => (useLinkgate().loaded ? null : children);
/** @type {(props: Children) => ReactNode} */
export const SignedIn = ({ children }) => (useSession().isSignedIn ? children : null);
/** @type {(props: Children) => ReactNode} */
export const SignedOut = ({ children }) => (useSession().isSignedIn === false ? children : null);

/** @type {import("react").CSSProperties} */
const ROUND = {
  display: "grid", placeItems: "center", width: "2.25rem", height: "2.25rem", borderRadius: "50%", cursor: "pointer",
  background: "var(--linkgate-accent, #0a6654)", color: "var(--linkgate-on-accent, #fff)", fontWeight: 600,
  listStyle: "none", userSelect: "none",
};
/** @type {import("react").CSSProperties} */
const MENU = {
  position: "absolute", zIndex: 10, boxSizing: "border-box", width: "min(16rem, calc(100vw - 2rem))", marginTop: ".4rem", padding: "1rem",
  border: "1px solid var(--linkgate-border, #8886)", borderRadius: "var(--linkgate-radius, 14px)",
  background: "var(--linkgate-background, Canvas)", color: "var(--linkgate-color, CanvasText)",
};
const BUTTON = { width: "100%", marginTop: ".8rem", padding: ".5rem", font: "inherit", cursor: "pointer" };

/** @typedef {"left" | "right"} Side */

/**
 * A menu's side, or null while it is closed. Escape and a press outside of `box` close it.
 * @param {{ current: HTMLElement | null }} box
 * @returns {[Side | null, (side: Side | null) => void]}
 */
function useMenu(box) {
  const [open, setOpen] = useState(/** @type {Side | null} */ (null));
  useEffect(() => {
    if (!open) return;
    /** @param {KeyboardEvent | PointerEvent} event */
    const close = (event) => {
      const away = event.type === "pointerdown" && !box.current?.contains(/** @type {Node} */ (event.target));
      if (away || ("key" in event && event.key === "Escape")) setOpen(null);
    };
    document.addEventListener("keydown", close);
    document.addEventListener("pointerdown", close);
    return () => {
      document.removeEventListener("keydown", close);
      document.removeEventListener("pointerdown", close);
    };
  }, [open]);
  return [open, setOpen];
}

/**
 * A menu with the address of the user and a button to sign out.
 * @param {{ afterSignOutUrl?: string, label?: string, signOutText?: string }} props
 * @returns {ReactNode}
 */
export function UserButton({ afterSignOutUrl, label = "Account", signOutText = "Sign out" }) {
  const { signOut } = useLinkgate();
  const { user } = useUser();
  const box = useRef(/** @type {HTMLDetailsElement | null} */ (null));
  const [open, setOpen] = useMenu(box);
  const [failure, setFailure] = useState("");
  if (!user) return null;
  const address = user.primaryEmailAddress.emailAddress;
  /** Opens towards the side with more room. @param {{ currentTarget: HTMLDetailsElement }} event */
  const toggle = ({ currentTarget: details }) => {
    const side = details.getBoundingClientRect().left < innerWidth / 2 ? "left" : "right";
    setOpen(details.open ? side : null);
  };
  const leave = () => void signOut({ redirectUrl: afterSignOutUrl }).catch((error) => setFailure(error.message));
  return createElement(
    "details",
    { ref: box, open: !!open, onToggle: toggle, style: { position: "relative", display: "inline-block" } },
    createElement("summary", { "aria-label": `${label}: ${address}`, style: ROUND }, address[0].toUpperCase()),
    createElement(
      "div",
      { style: { ...MENU, [open ?? "right"]: 0 } },
      createElement("div", { style: { overflowWrap: "anywhere" } }, address),
      createElement("button", { type: "button", onClick: leave, style: BUTTON }, signOutText),
      createElement("div", { role: "alert" }, failure),
    ),
  );
}
