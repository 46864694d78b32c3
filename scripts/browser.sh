#!/usr/bin/env bash
# The browser that the tests of pages drive: the distribution's Chromium, installed when we may, named when we may not.
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive
command -v chromium >/dev/null && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null &&
    { apt-get install -y -q chromium || { apt-get update -q && apt-get install -y -q chromium; }; } </dev/null >/dev/null 2>&1
then
    printf 'setup: installed chromium\n' >&2
else
    printf 'setup: no chromium, so the tests of pages are skipped. One command mends it: sudo apt install chromium\n' >&2
fi
