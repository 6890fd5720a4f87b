// A page without modules: its other script is the service's /compat.js.
addEventListener("load", async () => {
  const $ = (id) => document.getElementById(id);
  const say = (text) => ($("state").textContent = text);
  await Clerk.load();
  Clerk.addListener(({ session, user }) => {
    $("who").textContent = session ? `Signed in as ${user.primaryEmailAddress.emailAddress}` : session === null ? "Nobody is signed in" : "";
  });
  const redirectUrl = `${location.origin}/compat/verify`;
  const tell = (verification) => say(`${verification.status}, ${verification.verifiedFromTheSameClient() ? "this" : "another"} browser`);
  const flows = {
    async up(emailAddress) {
      const su = await Clerk.client.signUp.create({ emailAddress });
      await su.createEmailLinkFlow().startEmailLinkFlow({ redirectUrl });
      tell(su.verifications.emailAddress);
      await Clerk.setActive({ session: su.createdSessionId });
    },
    async in(identifier) {
      const si = await Clerk.client.signIn.create({ identifier });
      const [{ emailAddressId }] = si.supportedFirstFactors;
      await si.createEmailLinkFlow().startEmailLinkFlow({ redirectUrl, emailAddressId });
      tell(si.firstFactorVerification);
      await Clerk.setActive({ session: si.createdSessionId });
    },
    async add(email) {
      const address = await Clerk.user.createEmailAddress({ email });
      await address.createEmailLinkFlow().startEmailLinkFlow({ redirectUrl });
      tell(address.verification);
      $("proof").textContent = address.emailProof;
    },
  };
  for (const [name, flow] of Object.entries(flows)) {
    $(name).onclick = () => {
      say("Check your mail");
      flow($("email").value).catch((error) => say(error.errors?.[0].longMessage ?? error));
    };
  }
  $("out").onclick = () => Clerk.signOut();
  if (location.pathname === "/compat/verify") {
    Clerk.handleEmailLinkVerification({ onVerifiedOnOtherDevice: () => say("elsewhere") }).then(
      (result) => result === null || say("verified here"),
      (error) => say(Clerk.isEmailLinkError(error) ? error.code : error),
    );
  }
  document.body.dataset.ready = "yes";
});
