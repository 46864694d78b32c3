#!/usr/bin/env bash
# Makes the virtual environment in .venv (or $VENV) and installs mle-star into it, with its development
# tools. Safe to call again: does nothing when nothing changed. Needs Python >= 3.11 and pip.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=${VENV:-.venv}
stamp="$venv/.mle-star-$(cat pyproject.toml scripts/setup.sh | cksum | cut -d' ' -f1)"
[ -e "$stamp" ] && exit 0

say() { printf 'setup: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

python=""
for candidate in "${PYTHON:-}" python3.11 python3.12 python3.13 python3; do
    if [ -n "$candidate" ] && "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        python=$candidate
        break
    fi
done
[ -n "$python" ] || die "no Python >= 3.11 found. One command mends it on Debian and Ubuntu: apt install python3"

# The distribution's packages: installed when we may, named when we may not. Only LightGBM needs libgomp1, without
# which mle-star runs on scikit-learn, xgboost and catboost; bubblewrap is the strongest wall around scripts.
needs=()
ldconfig -p 2>/dev/null | grep -q 'libgomp\.so\.1' || needs+=(libgomp1)
command -v bwrap >/dev/null || needs+=(bubblewrap)
if [ ${#needs[@]} -gt 0 ]; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null &&
        { apt-get install -y -q "${needs[@]}" || { apt-get update -q && apt-get install -y -q "${needs[@]}"; }; } >/dev/null 2>&1
    then
        say "installed ${needs[*]}"
    else
        say "not installed: ${needs[*]} (see mle-star doctor). One command mends it: sudo apt install ${needs[*]}"
    fi
fi

pip=("$venv/bin/python" -m pip)
if [ ! -x "$venv/bin/python" ] || ! "$venv/bin/python" -c '' 2>/dev/null; then
    rm -rf "$venv"
    if ! "$python" -m venv "$venv" >/dev/null 2>&1; then
        # Debian splits ensurepip off into python3-venv; an environment without pip is filled from outside.
        rm -rf "$venv"
        "$python" -m venv --without-pip "$venv" || die "cannot make $venv. One command mends it: sudo apt install python3-venv"
    fi
fi
if ! "${pip[@]}" --version >/dev/null 2>&1; then
    "$python" -m pip --version >/dev/null 2>&1 || die "there is no pip. One command mends it: sudo apt install python3-pip python3-venv"
    pip=("$python" -m pip --python "$venv/bin/python")
fi

say "installing into $venv (about a minute, 1 GB; nothing is downloaded later)"
"${pip[@]}" install --quiet --disable-pip-version-check --editable '.[dev,mcp,ray,search]'
rm -f "$venv"/.mle-star-*
touch "$stamp"
