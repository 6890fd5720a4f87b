// An application in StrictMode, written as in Clerk's documentation of email links. The test bundles linkgate/react or
// linkgate/compat as `auth`.
import { StrictMode, useEffect, useState } from "react";
import { createRoot } from "react-dom/client";
import {
  EmailLinkErrorCodeStatus, Loaded, Provider, SignedIn, SignedOut, UserButton, isEmailLinkError,
  useClerk, useEmailLink, useSignIn, useSignUp, useUser,
} from "auth";

const HERE = `${location.protocol}//${location.host}`;
const explain = (error) => error.errors?.[0]?.longMessage ?? String(error);

/** Says how a verification ended. */
function tell(verification, complete, say) {
  if (verification.status === "expired") say("The link has expired");
  else if (complete) say(verification.verifiedFromTheSameClient() ? "Verified in this browser" : "Verified in another browser");
  else say(`Not verified: ${verification.error?.code}`);
}

function Form({ label, onSubmit, onCancel, state }) {
  const [address, setAddress] = useState("");
  const submit = (event) => {
    event.preventDefault();
    onSubmit(address);
  };
  return (
    <form onSubmit={submit}>
      <h1>{label}</h1>
      <label>Email address <input value={address} onChange={(event) => setAddress(event.target.value)} /></label>
      <button type="submit">Send me a link</button>
      <button type="button" onClick={onCancel}>Cancel</button>
      <p role="status">{state}</p>
    </form>
  );
}

function SignUp() {
  const { isLoaded, signUp, setActive } = useSignUp();
  const [state, say] = useState("");
  if (!isLoaded) return null;
  const { startEmailLinkFlow, cancelEmailLinkFlow } = signUp.createEmailLinkFlow();
  async function submit(emailAddress) {
    try {
      await signUp.create({ emailAddress });
      say("Check your mail");
      const su = await startEmailLinkFlow({ redirectUrl: `${HERE}/verify` });
      tell(su.verifications.emailAddress, su.status === "complete", say);
      if (su.status === "complete") await setActive({ session: su.createdSessionId });
    } catch (error) {
      say(explain(error));
    }
  }
  const cancel = () => (cancelEmailLinkFlow(), say("Canceled"));
  return <Form label="Sign up" onSubmit={submit} onCancel={cancel} state={state} />;
}

function SignIn() {
  const { isLoaded, signIn, setActive } = useSignIn();
  const [state, say] = useState("");
  if (!isLoaded) return null;
  const { startEmailLinkFlow, cancelEmailLinkFlow } = signIn.createEmailLinkFlow();
  async function submit(identifier) {
    try {
      await signIn.create({ identifier });
      const { emailAddressId } = signIn.supportedFirstFactors.find(({ strategy }) => strategy === "email_link");
      say("Check your mail");
      const si = await startEmailLinkFlow({ emailAddressId, redirectUrl: `${HERE}/verify` });
      tell(si.firstFactorVerification, si.status === "complete", say);
      if (si.status === "complete") await setActive({ session: si.createdSessionId });
    } catch (error) {
      say(explain(error));
    }
  }
  const cancel = () => (cancelEmailLinkFlow(), say("Canceled"));
  return <Form label="Sign in" onSubmit={submit} onCancel={cancel} state={state} />;
}

function AddAddress() {
  const { user } = useUser();
  const [added, setAdded] = useState(null);
  const [state, say] = useState("");
  async function submit(email) {
    const { id } = await user.createEmailAddress({ email });
    await user.reload();
    setAdded(user.emailAddresses.find((address) => address.id === id));
    say("Check your mail");
  }
  if (!user) return null;
  return (
    <>
      <Form label="Add an address" onSubmit={submit} onCancel={() => (setAdded(null), say("Canceled"))} state={state} />
      {added && <Verifying address={added} say={say} />}
    </>
  );
}

/** Starts as soon as it is mounted, in an effect, which StrictMode runs twice. */
function Verifying({ address, say }) {
  const { startEmailLinkFlow } = useEmailLink(address);
  const [proof, setProof] = useState(null);
  useEffect(() => {
    startEmailLinkFlow({ redirectUrl: `${HERE}/verify` })
      .then(({ verification, emailProof }) => {
        tell(verification, verification.status === "verified", say);
        setProof(emailProof);
      })
      .catch((error) => say(explain(error)));
  }, [startEmailLinkFlow]);
  return <output id="proof">{proof}</output>;
}

const VERIFIED = {
  loading: "One moment", verified: "The link was verified", elsewhere: "Go on in the other browser",
  expired: "This link has expired", client_mismatch: "Open the link where you asked for it", failed: "This link did not work",
};

function Verify() {
  const { handleEmailLinkVerification, loaded } = useClerk();
  const [state, setState] = useState("loading");
  useEffect(() => {
    if (!loaded) return;
    const onVerifiedOnOtherDevice = () => setState("elsewhere");
    handleEmailLinkVerification({ redirectUrl: `${HERE}/sign-up`, onVerifiedOnOtherDevice })
      .then((result) => result === null || setState("verified"))
      .catch((error) => {
        let status = "failed";
        if (isEmailLinkError(error)) {
          if (error.code === EmailLinkErrorCodeStatus.Expired) status = "expired";
          if (error.code === EmailLinkErrorCodeStatus.ClientMismatch) status = "client_mismatch";
        }
        setState(status);
      });
  }, [handleEmailLinkVerification, loaded]);
  return <h1>{VERIFIED[state]}</h1>;
}

function Who() {
  const { user } = useUser();
  return (
    <header>
      <SignedIn><p id="who">Signed in as {user?.primaryEmailAddress.emailAddress}</p><UserButton /></SignedIn>
      <SignedOut><p id="nobody">Nobody is signed in</p></SignedOut>
    </header>
  );
}

const PAGES = { "/sign-up": SignUp, "/sign-in": SignIn, "/profile": AddAddress, "/verify": Verify };
const Page = PAGES[location.pathname] ?? (() => <h1>Home</h1>);
const service = document.querySelector("meta[name=linkgate]").content;
createRoot(document.getElementById("app")).render(
  <StrictMode>
    <Provider service={service}>
      <Who />
      <Loaded><main><Page /></main></Loaded>
    </Provider>
  </StrictMode>,
);
