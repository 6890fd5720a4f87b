import { ClerkProvider } from "linkgate/compat";
export * from "linkgate/compat";
export { ClerkLoaded as Loaded } from "linkgate/compat";
const keyOf = (service) => `pk_test_${btoa(`${new URL(service).host}$`)}`;
export const Provider = ({ service, children }) => <ClerkProvider publishableKey={keyOf(service)}>{children}</ClerkProvider>;
