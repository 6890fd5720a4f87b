/** Asks the person for the relay code: by `onRelayCode`, or else by the dialog, which is loaded while somebody waits. */

/** @import { LinkgateOptions, RelayCodeRequest } from "./types.js" */

const ignore = () => {};
const loadDialog = () => import("./relay-code.js");

export class CodePrompt {
  #texts;
  #onRelayCode;
  /** Aborted when the open request ends. @type {AbortController | null} */
  #open = null;

  /** @param {Pick<LinkgateOptions, "texts" | "onRelayCode">} options */
  constructor({ texts, onRelayCode }) {
    this.#texts = texts;
    this.#onRelayCode = onRelayCode;
  }

  /** Loads the dialog early: it has to appear as soon as the code is needed. */
  preload() {
    if (globalThis.document && !this.#onRelayCode) loadDialog().catch(ignore);
  }

  /** Asks once: further calls do nothing until `close`. @param {Omit<RelayCodeRequest, "signal">} request */
  open(request) {
    if (this.#open) return;
    this.#open = new AbortController();
    const { signal } = this.#open;
    const asked = { ...request, signal };
    if (this.#onRelayCode) this.#onRelayCode(asked);
    else if (globalThis.document) loadDialog().then(({ showDialog }) => signal.aborted || showDialog(asked, this.#texts), ignore);
  }

  close() {
    this.#open?.abort();
    this.#open = null;
  }
}
