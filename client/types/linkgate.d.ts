/**
 * A client of the service at this URL. It does nothing until its methods are called, and can be created outside a
 * browser.
 * @param {import("./types.js").LinkgateOptions} options
 * @returns {import("./types.js").Linkgate}
 */
export function createLinkgate({ url, ...options }: import("./types.js").LinkgateOptions): import("./types.js").Linkgate;
export { isOver } from "./wait.js";
export * from "./types.js";
export { EmailLinkError, EmailLinkErrorCode, EmailLinkErrorCodeStatus, isEmailLinkError, LinkgateError } from "./errors.js";
