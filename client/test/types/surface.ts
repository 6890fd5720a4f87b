// Every type that applications may name has to exist, and what is read-only has to stay so.
import { createLinkgate } from "linkgate";
import type {
  Attempt, ClientResource, EmailAddressResource, EmailLinkFactor, EmailLinkFlow, EmailProofData, Emission,
  HandleEmailLinkVerificationParams, Linkgate, LinkgateOptions, Purpose, RelayCodeRequest, RelayCodeTexts, SessionData,
  SessionResource, SetActiveParams, SignInResource, SignOut, SignUpResource, StartEmailLinkFlowParams, Status,
  UserResource, Verification,
} from "linkgate";
import type { LinkgateProviderProps } from "linkgate/react";
import type { Clerk } from "linkgate/compat";

export type All = [
  Attempt, ClientResource, EmailAddressResource, EmailLinkFactor, EmailLinkFlow<string>, EmailLinkFlow<string, number>,
  EmailProofData, Emission, HandleEmailLinkVerificationParams, Linkgate, LinkgateOptions, Purpose, RelayCodeRequest,
  RelayCodeTexts, SessionData, SessionResource, SetActiveParams, SignInResource, SignOut, SignUpResource,
  StartEmailLinkFlowParams, Status, UserResource, Verification, LinkgateProviderProps, Clerk,
];

// Applications pass stand-ins in their tests: plain objects have to do.
export const verification: Verification = {
  status: "verified", strategy: "email_link", expireAt: null, error: null, verifiedAtClient: null, verifiedFromTheSameClient: () => true,
};

const linkgate = createLinkgate({ url: "https://login.example.com" });
// @ts-expect-error: read-only
linkgate.url = "";
// @ts-expect-error: read-only
linkgate.session = null;
// @ts-expect-error: no such purpose
export const purpose: Purpose = "sign_out";
// @ts-expect-error: the service's URL is required
createLinkgate({});
export interface Extended extends Clerk {
  more: string;
}
