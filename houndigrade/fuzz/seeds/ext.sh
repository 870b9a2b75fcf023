#!/bin/sh
# Makes the seeds of fuzz_targets/ext.rs: small trees whose journals hold a file, a revoke and a directory.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/tree/etc/folder"
echo 'ID=before' > "$work/tree/etc/os-release"
ln -s ../etc/os-release "$work/tree/etc/link"
ln -s "$(printf '%0100d' 0)" "$work/tree/etc/long"
head -c 20000 /dev/urandom | tr -dc '[:lower:]' | head -c 400 > "$work/tree/etc/text"
printf 'ID=after\n%01015d' 0 > "$work/block"
head -c 1024 /dev/zero | tr '\0' x > "$work/other"

seed() { # name, journal's options, mke2fs's options
    name=$1 journal=$2
    shift 2
    mke2fs -q -b 1024 -I 128 -N 32 -J size=1 -d "$work/tree" "$@" "$work/disk" 4M
    at=$(debugfs -R 'blocks /etc/os-release' "$work/disk" 2>/dev/null)
    debugfs -w -f /dev/stdin "$work/disk" >/dev/null 2>&1 <<COMMANDS
jo $journal
jw -b $at $work/other
jw -b $at $work/block
jw -r 700-710
jc
COMMANDS
    python3 pack.py "$work/disk" > "$name"
    rm "$work/disk"
}
seed ext3 '' -t ext3
seed ext4 '' -t ext4 -O ^metadata_csum
seed ext4_journal_checksum '-c -v 3' -t ext4 -O ^metadata_csum
