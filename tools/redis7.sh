#!/usr/bin/env bash
# Make a real redis-server of version 7.0 <= v < 8 available and print its path: the one on PATH if it fits, else the
# one from this system's packages, unpacked into .livetags/redis7 (nothing is installed, no service is started).
# Only the path goes to stdout; what is being done goes to stderr.
set -euo pipefail

readonly oldest_major=7 # 7.0 brought functions; 8 is another server under another licence
say() { printf 'redis7: %s\n' "$*" >&2; }
fail() {
    say "error: $*"
    say "do this: put a redis-server 7.0 or later, below 8, on PATH, or run this on a Debian or Ubuntu that has one" \
        "(Debian 12, Ubuntu 24.04) with its package lists up to date (as root: apt-get update)"
    exit 1
}

# The server says: Redis server v=7.0.15 sha=...
version_of() { "$1" --version 2>/dev/null | sed -n 's/^Redis server v=\([0-9][0-9.]*\).*/\1/p'; }
fits() {
    local version
    version=$(version_of "$1") || return 1
    [[ "${version%%.*}" == "$oldest_major" ]]
}

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
readonly root
readonly home="$root/.livetags/redis7"
readonly wrapper="$home/redis-server"

if on_path=$(command -v redis-server); then
    if fits "$on_path"; then
        printf '%s\n' "$on_path"
        exit 0
    fi
    say "redis-server on PATH is version $(version_of "$on_path" || true), expected $oldest_major.x: not taken"
fi
mkdir -p "$root/.livetags"
if command -v flock >/dev/null; then
    # Two test runs at once: the second waits here and finds what the first one made.
    exec 9>"$root/.livetags/redis7.lock"
    flock 9
fi
if [[ -x "$wrapper" ]] && fits "$wrapper"; then
    printf '%s\n' "$wrapper"
    exit 0
fi

for tool in apt-get apt-cache dpkg; do
    command -v "$tool" >/dev/null || fail "no fitting redis-server on PATH, and no $tool to get one with"
done

candidate() { apt-cache policy redis-server 2>/dev/null | sed -n 's/^ *Candidate: *\(.*\)$/\1/p'; }
if [[ -z "$(candidate)" || "$(candidate)" == "(none)" ]] && [[ $(id -u) == 0 ]]; then
    say "the package lists know no redis-server, updating them"
    apt-get update -qq >&2 || fail "apt-get update failed"
fi
version=$(candidate)
# 5:7.0.15-1~deb12u1: what stands before the colon is no part of the server's version.
[[ "${version##*:}" == "$oldest_major".* ]] || fail "this system's packages have redis-server '${version:-none}'"

# Unpacked beside its place and moved there whole, so that an interrupted run leaves nothing half done.
scratch=$(mktemp -d "$root/.livetags/redis7-XXXXXX")
trap 'rm -rf "$scratch"' EXIT
mkdir "$scratch/packages" "$scratch/root"
# apt knows what is missing here: the server's own packages and those libraries that are not installed.
mapfile -t packages < <(apt-get -s install --no-install-recommends redis-server | sed -n 's/^Inst \([^ ]*\) .*/\1/p')
if ! printf '%s\n' "${packages[@]}" | grep -qx redis-tools; then
    # Installed but not on PATH or too old by hand: the two packages are all that is needed.
    packages=(redis-server redis-tools)
fi
say "downloading ${packages[*]}"
fetch() { (cd "$scratch/packages" && apt-get -qq -o APT::Sandbox::User="$(id -un)" download "${packages[@]}" >&2); }
if ! fetch; then
    # Old lists name packages that newer ones have replaced on the server.
    [[ $(id -u) == 0 ]] || fail "downloading the packages failed"
    say "downloading failed, updating the package lists"
    apt-get update -qq >&2 || fail "apt-get update failed"
    fetch || fail "downloading the packages failed"
fi
for package in "$scratch"/packages/*.deb; do
    dpkg -x "$package" "$scratch/root"
done
rm -r "$scratch/packages"

cat >"$scratch/redis-server" <<'WRAPPER'
#!/usr/bin/env bash
# Made by tools/redis7.sh: the unpacked server, with the libraries that were unpacked with it.
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
libraries=
for folder in "$here"/root/usr/lib/*-linux-gnu* "$here"/root/lib/*-linux-gnu*; do
    [[ -d "$folder" ]] && libraries="${libraries:+$libraries:}$folder"
done
export LD_LIBRARY_PATH="$libraries${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
exec "$here/root/usr/bin/redis-server" "$@"
WRAPPER
chmod 755 "$scratch" "$scratch/redis-server"
fits "$scratch/redis-server" || fail "the unpacked redis-server does not run: $("$scratch/redis-server" --version 2>&1 || true)"

rm -rf "$home"
mv "$scratch" "$home"
say "redis-server $(version_of "$wrapper") is in place"
printf '%s\n' "$wrapper"
