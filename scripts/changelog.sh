#!/usr/bin/env bash
# changelog.sh VERSION prints the section of CHANGELOG.md for a release, without its heading. It fails if the section is
# missing, empty or still marked as unreleased.
set -euo pipefail
cd "$(dirname "$0")/.."
version=${1:-}
version=${version#v}
[ -n "$version" ] || { echo "changelog: no version: make changelog-section VERSION=v1.2.3" >&2; exit 2; }
awk -v version="$version" '
  /^## / {
    wanted = $2 == version
    if (wanted && /unreleased/) { print "changelog: " version " is still marked as unreleased in CHANGELOG.md" >"/dev/stderr"; failed = 1; exit 1 }
    next
  }
  wanted && (printed || NF) { print; printed++ }
  END {
    if (failed) exit 1
    if (!printed) { print "changelog: CHANGELOG.md has no entry for " version >"/dev/stderr"; exit 1 }
  }
' "${CHANGELOG:-CHANGELOG.md}"
