// Code that people write with the package. It has to type-check and is not run.
import { useEffect, useState } from "react";
import { createLinkgate, isEmailLinkError, isOver, LinkgateError, type Attempt } from "linkgate";
import { LinkgateProvider, SignedIn, SignedOut, UserButton, useAuth, useEmailLink, useLinkgate, useSignIn, useSignUp, useUser } from "linkgate/react";
import { Clerk, ClerkLoaded, ClerkProvider, EmailLinkErrorCodeStatus, isClerkAPIResponseError, useClerk } from "linkgate/compat";

async function vanilla() {
  const linkgate = createLinkgate({ url: "https://login.example.com", texts: { title: "Code" }, onRelayCode: ({ submit }) => submit("123456") });
  await linkgate.load();
  const stop: () => void = linkgate.addListener(({ session, user }) => console.log(session?.id, user?.primaryEmailAddress.emailAddress));
  const signIn = await linkgate.client!.signIn.create({ identifier: "ada@example.com" });
  const { startEmailLinkFlow, cancelEmailLinkFlow } = signIn.createEmailLinkFlow();
  const done = await startEmailLinkFlow({ redirectUrl: "/verify", emailAddressId: signIn.supportedFirstFactors[0].emailAddressId });
  if (done.status === "complete") await linkgate.setActive({ session: done.createdSessionId, beforeEmit: (session) => session?.id });
  const token: string | null = await linkgate.getToken();
  const attempt: Attempt = await linkgate.start({ emailAddress: "a@example.com", purpose: "sign_up" }, { idempotencyKey: "k" });
  try {
    if (isOver(await linkgate.wait(attempt))) await linkgate.redeem(attempt);
  } catch (error) {
    if (error instanceof LinkgateError && error.transient) console.log(error.retryAfter, error.errors[0].longMessage);
  }
  cancelEmailLinkFlow();
  stop();
  await linkgate.signOut({ redirectUrl: "/" });
  return token;
}

function SignUp() {
  const { isLoaded, signUp, setActive } = useSignUp();
  const [expired, setExpired] = useState(false);
  // @ts-expect-error: not before it has loaded
  signUp.create({ emailAddress: "" });
  if (!isLoaded) return null;
  const { startEmailLinkFlow } = signUp.createEmailLinkFlow();
  async function submit() {
    await signUp!.create({ emailAddress: "ada@example.com" });
    const su = await startEmailLinkFlow({ redirectUrl: "/verify" });
    const { status, expireAt, verifiedFromTheSameClient } = su.verifications.emailAddress;
    setExpired(status === "expired" && expireAt!.getTime() > 0 && !verifiedFromTheSameClient());
    if (su.status === "complete") await setActive!({ session: su.createdSessionId, redirectUrl: "/" });
  }
  return <button onClick={submit}>{String(expired)}</button>;
}

function AddAddress() {
  const { user } = useUser();
  const { signIn } = useSignIn();
  const { startEmailLinkFlow } = useEmailLink(user?.emailAddresses[0]);
  useEmailLink(signIn);
  const add = async () => {
    const address = await user?.createEmailAddress({ email: "new@example.com" });
    const proof: string | null = (await startEmailLinkFlow({ redirectUrl: "/" })).emailProof;
    return [address?.verification.status, proof];
  };
  return <button onClick={add}>{useAuth().userId}</button>;
}

function Verify() {
  const { handleEmailLinkVerification, loaded } = useClerk();
  const [state, setState] = useState("loading");
  useEffect(() => {
    if (!loaded) return;
    handleEmailLinkVerification({ redirectUrl: "/sign-up", redirectUrlComplete: "/", onVerifiedOnOtherDevice: () => setState("other") }).catch(
      (error: unknown) => {
        if (isEmailLinkError(error) && error.code === EmailLinkErrorCodeStatus.Expired) setState("expired");
        else if (isClerkAPIResponseError(error)) setState(error.errors[0].code);
      },
    );
  }, [handleEmailLinkVerification, loaded]);
  return <>{state}</>;
}

export const App = () => (
  <LinkgateProvider url="https://login.example.com" locale="de">
    <SignedIn><UserButton afterSignOutUrl="/" /><AddAddress /></SignedIn>
    <SignedOut><SignUp /></SignedOut>
  </LinkgateProvider>
);
export const Same = () => (
  <ClerkProvider publishableKey="pk_test_bG9naW4uZXhhbXBsZS5jb20k">
    <ClerkLoaded><Verify /></ClerkLoaded>
  </ClerkProvider>
);
export const Shared = () => <LinkgateProvider linkgate={useLinkgate()} />;
// @ts-expect-error: a provider requires the service's URL or a client
export const Lost = () => <LinkgateProvider />;
export const clerk: Clerk = new Clerk("https://login.example.com");
vanilla();
