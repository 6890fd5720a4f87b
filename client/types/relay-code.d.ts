/**
 * Lives in a shadow root: the page's styles and its CSP do not reach it, but custom properties do.
 * @param {Pick<RelayCodeRequest, "emailAddress" | "submit" | "signal">} request
 * @param {Partial<RelayCodeTexts>} [replaced]
 */
export function showDialog({ emailAddress, submit, signal }: Pick<RelayCodeRequest, "emailAddress" | "submit" | "signal">, replaced?: Partial<RelayCodeTexts>): void;
/** The dialog that asks for the relay code. The core loads it while somebody waits. */
/** @import { RelayCodeRequest, RelayCodeTexts } from "./types.js" */
/** @type {RelayCodeTexts} */
export const TEXTS: RelayCodeTexts;
import type { RelayCodeRequest } from "./types.js";
import type { RelayCodeTexts } from "./types.js";
