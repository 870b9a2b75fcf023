#!/bin/sh
# Makes the seed of fuzz_targets/btrfs.rs, and of the tests of damage: subvolumes, compressed files, and a log. Takes root.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'umount "$work/tree" 2>/dev/null; rm -rf "$work"' EXIT
mkdir "$work/tree"
truncate -s 16M "$work/disk"
mkfs.btrfs -q --mixed -n 4096 -m single -d single "$work/disk"
mount -o loop,subvolid=5,commit=300,nodiscard "$work/disk" "$work/tree"
seeds=$PWD
cd "$work/tree"
for algorithm in zlib lzo zstd; do
    touch $algorithm
    btrfs property set $algorithm compression $algorithm
    seq 0 699 | awk '{ printf "line %d of %d\n", $1, $1 * $1 % 977 }' > $algorithm
done
head -c 4097 /dev/urandom > plain
yes text | head -c 120 > inline
ln -s inline link
mkfifo pipe
truncate -s 50000 sparse
echo middle | dd of=sparse bs=1 seek=20000 conv=notrunc status=none
btrfs -q subvolume create root
mkdir root/etc
echo ID=fedora > root/etc/os-release
btrfs -q subvolume create root/inner
btrfs -q subvolume snapshot root snap
btrfs subvolume set-default root
for number in $(seq 0 39); do echo "$number" > root/etc/"$number"; done
sync -f .
cd root/etc
echo ID=rhel > os-release
rm 0 2 4 6 8 10 12 14 16 18
mv 1 one
ln 3 three
echo new > new
sync os-release . one three new
cp --sparse=always "$work/disk" "$work/copy"
cd "$seeds"
python3 btrfs.py "$work/copy" > "$work/cut"
python3 pack.py "$work/cut" > btrfs
