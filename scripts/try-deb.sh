#!/usr/bin/env bash
# Installs a package in a clean Debian, asks the program how it is, and takes it away again. Needs root and the network.
# Usage: try-deb.sh PACKAGE CLEAN_ROOT (as debootstrap made it; it is not changed)
set -euo pipefail
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
cp -a "$2/." "$root"
cp /etc/resolv.conf "$root/etc/"
cp "$1" "$root/tmp/quire.deb"
cat > "$root/tmp/try" <<'INSIDE'
set -e
mount -t proc proc /proc
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends /tmp/quire.deb >/dev/null
quire --version
test "$(stat -c '%a %U' /var/lib/quire)" = '700 quire'
man=$(ls /usr/share/man/man1/quire*.gz | wc -l)
echo "$man manual pages"
# The weights are not in it; everything else must be there.
setpriv --reuid quire --regid quire --clear-groups env QUIRE_DATA__DIR=/var/lib/quire \
  quire --config /etc/quire/quire.toml doctor | tee /tmp/doctor || true
test "$(grep -c '^✗' /tmp/doctor)" = 1 && grep -q '^✗ models' /tmp/doctor
apt-get purge -y -qq quire >/dev/null
test ! -e /usr/bin/quire && test ! -e /etc/quire && test -d /var/lib/quire
echo "installed, asked and purged; /var/lib/quire stays"
INSIDE
unshare --mount --pid --fork chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root sh /tmp/try
