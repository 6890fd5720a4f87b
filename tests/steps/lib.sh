# Shared by the steps. Each step is a script of its own: exit code 0 means passed, 77 skipped (it has printed why), and
# everything else failed. Steps run from the root of the repository, alone or under tests/run.
# shellcheck shell=bash
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target}"
[[ $CARGO_TARGET_DIR == /* ]] || CARGO_TARGET_DIR=$PWD/$CARGO_TARGET_DIR
export CARGO_TERM_COLOR=never
export CHROMIUM=${CHROMIUM:-/usr/bin/chromium}
logs=$CARGO_TARGET_DIR/run
mkdir -p "$logs"

has() { command -v "$1" > /dev/null; }

skip() {
  echo "SKIPPED: $*"
  exit 77
}

# quietly LOG COMMAND...: writes the output to a log and shows its end if the command fails.
quietly() {
  local log=$logs/$1.log
  shift
  "$@" > "$log" 2>&1 || { tail -n 60 "$log"; echo "(full log: $log)"; return 1; }
}

# Sets LINKGATE_BIN to the release binary, unless the caller has chosen another one.
need_release_binary() {
  export LINKGATE_BIN=${LINKGATE_BIN:-$CARGO_TARGET_DIR/release/linkgate}
  [[ -x $LINKGATE_BIN ]] || { echo "$LINKGATE_BIN is missing: run tests/steps/release-build first."; exit 1; }
}

need_node() {
  if ! has node || ! has npm; then skip "$1 need Node.js and npm."; fi
}

# cargo_tests LOG ARGUMENTS...: prints each suite with its result and what was skipped; of failures, everything.
cargo_tests() {
  local log=$logs/$1.log code=0
  local shown='^(test result: |test .* FAILED$|error|skipped: )|^ +(Running|Doc-tests) '
  shift
  cargo test --locked --no-fail-fast "$@" 2>&1 | tee "$log" | { grep --line-buffered -E "$shown" || true; } || code=$?
  ((code == 0)) && return
  sed -n '/^failures:$/,/^test result: /p' "$log" | head -n 400
  grep -E -A 12 '^error(\[|:)' "$log" | head -n 100 || true
  echo "(full log: $log)"
  return 1
}
