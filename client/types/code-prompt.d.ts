export class CodePrompt {
    /** @param {Pick<LinkgateOptions, "texts" | "onRelayCode">} options */
    constructor({ texts, onRelayCode }: Pick<LinkgateOptions, "texts" | "onRelayCode">);
    /** Loads the dialog early: it has to appear as soon as the code is needed. */
    preload(): void;
    /** Asks once: further calls do nothing until `close`. @param {Omit<RelayCodeRequest, "signal">} request */
    open(request: Omit<RelayCodeRequest, "signal">): void;
    close(): void;
    #private;
}
import type { RelayCodeRequest } from "./types.js";
import type { LinkgateOptions } from "./types.js";
