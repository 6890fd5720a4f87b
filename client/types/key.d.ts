/**
 * The service's URL in a key of the form `pk_test_` or `pk_live_` + base64 of its host and `$`. URLs stay as they are.
 * @param {string} key
 */
export function urlOfKey(key: string): string;
