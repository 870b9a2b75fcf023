# Makes databases of packages with the tools that make real ones: databases.sh FOLDER COUNT
#
# FOLDER/sqlite has a few packages as `rpm` installs them: signed with RSA, with EdDSA, or not, and an imported key.
# The others have COUNT copies of those under other names, less every seventh: sqlite-many, sqlite-512 and sqlite-65536 (by
# size of a page), sqlite-wal, most of whose rows are in its write-ahead log alone, ndb-many, berkeley-many, berkeley-big-endian.
# rsa.key and ed25519.key hold the ids of the keys; answer, in each folder, is rpm's list of its packages, if rpm reads the format.
set -eu
cd "$1"
count=$2
for tool in rpm rpmbuild rpmsign gpg python3 db5.3_load; do
    command -v $tool >/dev/null || { echo "missing: $tool is not installed"; exit 0; }
done
export HOME=$PWD GNUPGHOME=$PWD/gnupg
trap 'gpgconf --kill all' EXIT
mkdir -m 700 gnupg

cat >sample.spec <<'SPEC'
Name: %{sample}
Version: 1
Release: 1
Summary: A sample
License: none
BuildArch: noarch
%{lua: for i = 1, 80 do print("Provides: capability-" .. i .. " = 1\n") end}
%description
%{lua: print(string.rep("Nothing is in it, and nobody needs it. ", 50))}
%files
SPEC
for sample in unsigned rsa ed25519; do
    rpmbuild --quiet -bb --define "_topdir $PWD/build" --define "_rpmdir $PWD" --define "_buildhost localhost" --define "sample $sample-000000" sample.spec >build.log 2>&1 ||
        { cat build.log >&2; exit 1; }
done
for kind in rsa ed25519; do
    algorithm=$kind
    [ $kind = ed25519 ] || algorithm=rsa2048
    gpg --batch --quiet --passphrase '' --quick-generate-key $kind $algorithm sign 2>gpg.log
    gpg --list-keys --with-colons $kind 2>gpg.log | awk -F: '/^pub/ { print tolower($5) }' >$kind.key
    rpmsign --define "__gpg $(command -v gpg)" --define "_gpg_name $kind" --rpmv3 --addsign noarch/$kind-*.rpm >sign.log 2>&1
    gpg --armor --export $kind >$kind.asc
done

rpm() { command rpm --define '_db_backend sqlite' --dbpath "$PWD/$@"; }
rpm sqlite --initdb
rpm sqlite --import rsa.asc
rpm sqlite -i --justdb --nodeps --nosignature noarch/*.rpm

python3 - "$count" <<'PYTHON'
import os, random, shutil, sqlite3, struct, subprocess, sys, zlib

count = int(sys.argv[1])
few = sqlite3.connect("sqlite/rpmdb.sqlite")
blobs = [blob for blob, in few.execute("SELECT blob FROM Packages ORDER BY hnum")]
few.close()

def headers():
    for number in range(count):
        # The length stays, so no offset changes.
        yield number + 1, blobs[number % len(blobs)].replace(b"-000000\0", b"-%06d\0" % number)

def table(path, log):
    shutil.copytree("sqlite", path)
    db = sqlite3.connect(path + "/rpmdb.sqlite")
    db.execute("PRAGMA journal_mode = " + ("WAL" if log else "DELETE"))
    db.execute("PRAGMA wal_autocheckpoint = 0")
    db.execute("DELETE FROM Packages")
    db.commit()
    if log:
        # A first use of the log, longer than the second: its frames stay behind those of the second.
        db.executemany("INSERT INTO Packages VALUES (?, ?)", [(number, b"stale" * 1000) for number, _ in headers()])
        db.commit()
        db.execute("PRAGMA wal_checkpoint(RESTART)")
        db.execute("DELETE FROM Packages")
    db.executemany("INSERT INTO Packages VALUES (?, ?)", headers())
    db.execute("DELETE FROM Packages WHERE hnum % 7 = 0")
    db.commit()
    return db

table("sqlite-many", log=False).close()
for page in 512, 65536:
    db = table(f"sqlite-{page}", log=False)
    db.execute(f"PRAGMA page_size = {page}")
    db.execute("VACUUM")
    db.close()
db = table("sqlite-open", log=True)
# Never committed, and yet in the log: the cache is too small for it.
db.execute("PRAGMA cache_size = 1")
db.execute("PRAGMA cache_spill = 1")
db.execute("DELETE FROM Packages WHERE hnum % 2 = 0")
shutil.copytree("sqlite-open", "sqlite-wal")
db.rollback()
db.close()

def load(path, order, page):
    os.makedirs(path)
    number = struct.Struct("<I" if order == 1234 else ">I")
    text = [f"VERSION=3\nformat=bytevalue\ntype=hash\ndb_pagesize={page}\ndb_lorder={order}\nHEADER=END"]
    pairs = [(number.pack(0), number.pack(count))]
    pairs += [(number.pack(n), blob) for n, blob in headers() if n % 7]
    text += [f" {key.hex()}\n {value.hex()}" for key, value in pairs]
    dump = "\n".join(text + ["DATA=END", ""])
    subprocess.run(["db5.3_load", path + "/Packages"], input=dump.encode(), check=True)

load("berkeley-many", 1234, 4096)
load("berkeley-big-endian", 4321, 512)
# No rpm of Debian or Fedora writes ndb. The format is that of rpm's lib/backend/ndb/rpmpkg.c.
os.makedirs("ndb-many")
with open("ndb-many/Packages.db", "wb") as file:
    kept = [(n, blob) for n, blob in headers() if n % 7]
    pages = (2 + len(kept)) // 256 + 1
    slots, block = [], pages * 256
    for n, blob in kept:
        body = b"BlbS" + struct.pack("<III", n, 1, len(blob)) + blob
        body += bytes(-(len(body) + 12) % 16)
        body += struct.pack("<II", zlib.adler32(body), len(blob)) + b"BlbE"
        file.seek(block * 16)
        file.write(body)
        slots.append(b"Slot" + struct.pack("<III", n, block, len(body) // 16))
        # A gap, as a package leaves that was removed.
        block += len(body) // 16 + n % 3
    slots += [b"Slot" + bytes(12)] * (pages * 256 - 2 - len(slots))
    random.Random(1).shuffle(slots)
    file.seek(0)
    file.write(b"RpmP" + struct.pack("<IIII", 0, 1, pages, count) + bytes(12) + b"".join(slots))
PYTHON

for folder in sqlite sqlite-many sqlite-512 sqlite-65536 sqlite-wal berkeley-many berkeley-big-endian; do
    # Not the folder itself: rpm would write a log back.
    cp -r $folder asked
    rpm asked -qa --nosignature --nodigest --qf '%{NAME}|%{DSAHEADER:pgpsig}|%{RSAHEADER:pgpsig}|%{SIGGPG:pgpsig}|%{SIGPGP:pgpsig}\n' >$folder/answer 2>rpm.log
    rm -r asked
done
