/**
 * The service's URL in a key of the form `pk_test_` or `pk_live_` + base64 of its host and `$`. URLs stay as they are.
 * @param {string} key
 */
export function urlOfKey(key) {
  const [, coded] = /^pk_[a-z]+_(.+)$/.exec(key) ?? [];
  if (!coded) return key;
  const host = atob(coded).replace(/\$$/, "");
  return `${/^(localhost|127\.|\[::1\])/.test(host) ? "http" : "https"}://${host}`;
}
