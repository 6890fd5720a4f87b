import { LinkgateProvider } from "linkgate/react";
export * from "linkgate/react";
export { LinkgateLoaded as Loaded, useLinkgate as useClerk } from "linkgate/react";
export const Provider = ({ service, children }) => <LinkgateProvider url={service}>{children}</LinkgateProvider>;
