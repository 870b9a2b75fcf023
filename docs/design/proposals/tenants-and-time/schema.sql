-- Observations of clouds, and the rows derived from them. Facts live here, never in etcd. Postgres 13 or later, no extension.
-- Forward only: a change is a new file.
--
-- Order of locks, in every transaction: accounts by id (advisory, class 1), disk by (cloud, disk_id), billing_code, declaration, instance_type,
-- disk_use by (disk, cloud_account), organizations by id (advisory, class 2), usage_day. docs/design/numbers.md says why.

---------------------------------------------------------------------------------------------------------------------------- Whose usage it is

create table organization (
    id                  integer generated always as identity primary key,
    org_id              text        not null unique,
    -- grows with every change of anything that its usage is derived from: the key of caches, and the guard of usage_day
    version             bigint      not null default 0,
    -- moves when facts, tags or descriptions of its disks have changed: all its CloudAccounts count their images anew
    verdicts_changed_at timestamptz not null default clock_timestamp(),
    created_at          timestamptz not null default clock_timestamp()
) with (fillfactor = 50);
create index organization_changed on organization (verdicts_changed_at);

-- An account of a cloud, whoever meters it. Its id is the lock of everything that is derived for it: one writer an account.
create table cloud_account (
    id             integer generated always as identity primary key,
    cloud          text        not null default 'aws' check (cloud in ('aws')),
    account_id     text        not null,
    -- the account the operator lives in; its readings are the platform's and count for everybody
    own            boolean     not null default false,
    -- newest event of a log, and newest file of its trail
    last_event_at  timestamptz,
    last_file_at   timestamptz,
    -- moves with every change of its rows that the status of its CloudAccount shows
    changed_at     timestamptz not null default clock_timestamp(),
    unique (cloud, account_id)
) with (fillfactor = 50);
create unique index cloud_account_own on cloud_account (cloud) where own;
create index cloud_account_changed on cloud_account (changed_at);

-- The CloudAccount that meters a cloud account now. Released, the row is deleted; its periods stay.
create table holder (
    cloud_account  integer     primary key references cloud_account,
    uid            uuid        not null unique,
    namespace      text        not null,
    name           text        not null,
    -- creation of the CloudAccount: the oldest has the account
    created_at     timestamptz not null,
    organization   integer     not null references organization,
    account_number text,
    role_arn       text        not null,
    suspended      boolean     not null default false,
    -- Written by its reconciliation, read by rounds: its role can be assumed; its images may be read; its volumes may be.
    usable         boolean     not null default false,
    reads_images   boolean     not null default false,
    reads_volumes  boolean     not null default false,
    -- since when no such CloudAccount exists; released after a grace period
    orphaned_since timestamptz,
    unique (namespace, name)
);
create index holder_organization on holder (organization);
create index holder_account_number on holder (account_number) where account_number is not null;

-- An interval in which the usage of a cloud account belongs to an organization. Enrol, suspend, resume, release, take over and backfill
-- change periods, and nothing else: usage is runs clipped by periods.
create table metered_period (
    id             integer generated always as identity primary key,
    cloud_account  integer     not null references cloud_account,
    organization   integer     not null references organization,
    account_number text,
    -- the CloudAccount at that time, for people
    namespace      text        not null,
    name           text        not null,
    span           tstzrange   not null
        check (not isempty(span) and lower_inc(span) and not upper_inc(span) and not lower_inf(span) and upper(span) is distinct from 'infinity'),
    -- No two periods of an account overlap. A range of one number stands for the number, which needs no btree_gist: a role that owns a
    -- schema only may not create an extension, not even a trusted one.
    constraint metered_period_apart exclude using gist (int4range(cloud_account, cloud_account, '[]') with &&, span with &&)
);
-- Periods of an organization (usage), of an account (recipients of log files).
create index metered_period_organization on metered_period (organization, cloud_account);
create index metered_period_account on metered_period (cloud_account);

---------------------------------------------------------------------------------------------------------------------------- Disks and their facts

-- The texts of a cloud about who is paid, each combination once. The class follows from the texts by metering::billing and is stored for
-- queries; the operator derives it anew at start.
create table billing_code (
    id               integer generated always as identity primary key,
    cloud            text    not null default 'aws' check (cloud in ('aws')),
    -- UsageOperation, as in RunInstances:0010, and PlatformDetails, for people; empty where not told
    usage_operation  text    not null default '' check (length(usage_operation) <= 64),
    platform_details text    not null default '' check (length(platform_details) <= 128),
    -- marketplace product codes, sorted
    product_codes    text[]  not null default '{}',
    class            text    not null check (class in ('payg', 'byos', 'none', 'unknown')),
    variant          text    not null default '',
    unique (cloud, usage_operation, platform_details, product_codes)
);

-- The metering tags of an instance (com_redhat_rhel*), each combination of known words once. Of an event, * stands for a key it does not
-- tell, and the empty text for a tag that is not there.
create table declaration (
    id       integer generated always as identity primary key,
    version  text not null check (length(version) <= 8),
    variant  text not null check (length(variant) <= 32),
    usage    text not null check (length(usage) <= 32),
    sla      text not null check (length(sla) <= 32),
    addon    text not null check (length(addon) <= 32),
    unique (version, variant, usage, sla, addon)
);

-- Contents that never change: of an image, of a snapshot, or of a volume as it was at one time.
create table disk (
    id            bigint generated always as identity primary key,
    cloud         text        not null default 'aws' check (cloud in ('aws')),
    kind          text        not null check (kind in ('image', 'snapshot', 'volume')),
    -- ami-…, snap-… or vol-…
    disk_id       text        not null check (length(disk_id) <= 64),
    -- of a volume: when the snapshot of it was taken that was read
    as_of         timestamptz not null default '-infinity',
    region        text        not null check (length(region) <= 32),
    -- the image that the snapshot or volume was made from, whose tags hold for it too
    image         bigint references disk,
    -- null until a cloud has described it
    described_at  timestamptz,
    name          text,
    owner_id      text,
    architecture  text,
    windows       boolean     not null default false,
    encrypted     boolean,
    billing       integer references billing_code,
    created_at    timestamptz not null default clock_timestamp(),
    updated_at    timestamptz not null default clock_timestamp(),
    unique (cloud, disk_id, as_of),
    check ((kind = 'volume') = (as_of <> '-infinity'))
);
-- Disks of an owner: what an owner's tag or reading is about.
create index disk_owner on disk (cloud, owner_id) where owner_id is not null;

-- A cloud account and a disk that its instances run from: the only queue of work on disks, and the users of a disk.
create table disk_use (
    disk           bigint      not null references disk,
    cloud_account  integer     not null references cloud_account,
    -- no later than the start of the first run from it: no earlier day changes with its verdict
    first_used_at  timestamptz not null,
    -- next thing to do for this account: have it described, have it read, nothing
    step           text        not null default 'describe' check (step in ('describe', 'read', 'settled', 'unavailable')),
    -- when the step began, for the gauge of the oldest waiting
    since          timestamptz not null default clock_timestamp(),
    -- tries of the step, and the time of the next one
    attempts       smallint    not null default 0,
    next_at        timestamptz not null default clock_timestamp(),
    primary key (disk, cloud_account)
);
-- Verdicts of an account (usage, status), and its work that is due (rounds).
create index disk_use_account on disk_use (cloud_account, disk);
create index disk_use_work on disk_use (cloud_account, step, next_at) where step in ('describe', 'read');

-- Metering tags that an account has set on an image, known to us or not: they count for this account, and for all if it owns the image.
create table image_tag (
    cloud_account  integer     not null references cloud_account,
    image_id       text        not null check (length(image_id) <= 64),
    tag            text        not null check (tag in ('rhel', 'openshift')),
    present        boolean     not null,
    -- the newest change wins, by its own time; of two at one time the one that sets it
    changed_at     timestamptz not null,
    primary key (cloud_account, image_id, tag)
);

-- One reader's look into one disk: its facts, or why there are none. Facts outlive a later failure.
create table disk_reading (
    disk           bigint      not null references disk,
    reader         integer     not null references cloud_account,
    -- the organization that the reader was metered for: facts count for it, and for all if the reader owns the disk or is the platform
    organization   integer references organization,
    -- the ImageInspection that is at work on it, by name; null if none is
    inspection     text,
    attempts       smallint    not null default 0,
    next_at        timestamptz not null default clock_timestamp(),
    -- Failures: `access` is tried again, for ever; `content` is final until reinspected.
    failed_at      timestamptz,
    failure        text check (failure in ('access', 'content')),
    failure_code   text,
    failure_detail text,
    read_at        timestamptz,
    rhel           boolean,
    distribution   text check (length(distribution) <= 64),
    version        text check (length(version) <= 64),
    -- system purpose, known values only
    role           text        not null default '' check (length(role) <= 64),
    sla            text        not null default '' check (length(sla) <= 64),
    usage          text        not null default '' check (length(usage) <= 64),
    service_type   text        not null default '' check (length(service_type) <= 64),
    -- houndigrade's entry without what is not shown, of bounded size
    facts          jsonb check (pg_column_size(facts) <= 262144),
    primary key (disk, reader),
    check ((read_at is null) = (rhel is null) and (failed_at is null) = (failure is null))
);
create index disk_reading_inspection on disk_reading (inspection) where inspection is not null;

-- Disks whose verdict may have changed: written with the change, applied to the users' days right after its commit. A row that a crash left
-- is applied by the next round.
create table verdict_change (
    id             bigint generated always as identity primary key,
    disk           bigint not null,
    -- null: for every user
    cloud_account  integer
);

---------------------------------------------------------------------------------------------------------------------------- Instances

create table instance (
    id             bigint generated always as identity primary key,
    cloud_account  integer     not null references cloud_account,
    region         text        not null check (length(region) <= 32),
    instance_id    text        not null check (length(instance_id) <= 64),
    -- derived from its newest event that tells; null until one does
    disk           bigint,
    -- set by the look that did not find it any more
    gone_at        timestamptz,
    -- Told by looks, for people: the service that runs it, its host and tenancy; whether its volume may not be read.
    managed_by     text,
    host_id        text,
    tenancy        text,
    excluded       boolean     not null default false,
    created_at     timestamptz not null default clock_timestamp(),
    updated_at     timestamptz not null default clock_timestamp(),
    unique (cloud_account, region, instance_id)
);
-- Instances that a look compares with what it finds.
create index instance_present on instance (cloud_account, region) where gone_at is null;

-- One thing that happened to one instance at one time, and all that it tells. Unique by event and instance, whichever file it came in and
-- whoever metered the account. The id is CloudTrail's eventID or EventBridge's; that of a look is made of its content (version 5).
-- No foreign keys: its one writer takes the instance's key from the row it has just found or made, no instance is ever deleted, and
-- checking took as long as the rest of inserting it.
create table instance_event (
    instance       bigint      not null,
    event_id       uuid        not null,
    occurred_at    timestamptz not null,
    source         text        not null check (source in ('log', 'state_change', 'look')),
    power          text check (power in ('on', 'off')),
    -- of a look: it happened no earlier; the look was at
    not_before     timestamptz,
    witnessed_at   timestamptz,
    -- Attributes from this event on; null where it does not tell.
    instance_type  text check (length(instance_type) <= 64),
    vcpus          smallint check (vcpus > 0),
    disk           bigint,
    billing        integer,
    declaration    integer,
    -- the record that corrects this one (addendum UPDATED_DATA), whose contents these are
    revised_by     uuid,
    check ((source = 'look') = (witnessed_at is not null)),
    check (not_before is null or not_before <= occurred_at),
    -- All events of an instance are read whenever one is added. In the index they lie side by side, however many came in between.
    primary key (instance, event_id) include (occurred_at, source, power, not_before, witnessed_at, instance_type, vcpus, disk, billing, declaration)
);

-- Derived from instance_event by metering::runs: power-on with constant attributes, half-open [started_at, ended_at). No foreign keys,
-- for the same reason.
create table run (
    instance       bigint      not null,
    -- its instance's, so that one index serves an account and a time
    cloud_account  integer     not null,
    started_at     timestamptz not null,
    -- infinity while it runs
    ended_at       timestamptz not null default 'infinity' check (ended_at > started_at),
    -- the end lies between this time and ended_at; null if it is exact
    end_not_before timestamptz check (end_not_before between started_at and ended_at),
    instance_type  text,
    -- CpuOptions; null: as many as the type has
    vcpus          smallint,
    disk           bigint,
    billing        integer,
    declaration    integer,
    primary key (instance, started_at)
);
-- Usage of a day or month, and whatever runs now.
create index run_ending on run (cloud_account, ended_at);

-- Sizes of instance types; a row without a description is due, one described without a size is a type that the cloud did not know.
create table instance_type (
    cloud         text    not null default 'aws' check (cloud in ('aws')),
    name          text    not null check (length(name) <= 64),
    -- where it was met first, so where to ask
    region        text    not null,
    vcpus         integer check (vcpus > 0),
    memory_mib    bigint  check (memory_mib > 0),
    described_at  timestamptz,
    primary key (cloud, name),
    check ((vcpus is null) = (memory_mib is null))
);
create index instance_type_due on instance_type (described_at nulls first);

-- Looks at a region of an account: the last, and one that is asked for. Requests merge; reasons are for the log.
create table region_look (
    cloud_account  integer     not null references cloud_account,
    region         text        not null check (length(region) <= 32),
    -- answer of the last look that succeeded
    looked_at      timestamptz,
    -- the cloud refuses this region: said in the status, no bar to finality
    refusal        text,
    due_at         timestamptz,
    reason         text,
    attempts       smallint    not null default 0,
    primary key (cloud_account, region)
);
create index region_look_due on region_look (due_at) where due_at is not null;

---------------------------------------------------------------------------------------------------------------------------- Usage

-- Derived from run, metered_period and verdicts; a missing row is computed when asked for. As text it is answered with as it is stored.
create table usage_day (
    organization   integer not null references organization,
    day            date    not null,
    maximum_counts json    not null,
    primary key (organization, day)
);

---------------------------------------------------------------------------------------------------------------------------- Logs

-- Buckets that log files come from, as configured.
create table log_source (
    id             integer generated always as identity primary key,
    name           text        not null unique,
    bucket         text        not null,
    prefix         text        not null default '',
    -- last time its queue was seen empty
    drained_at     timestamptz,
    unique (bucket, prefix)
);

-- The ledger: every recorded log file, so that a message delivered twice changes nothing.
create table log_file (
    bucket         text        not null,
    key            text        not null,
    etag           text        not null,
    -- of the decompressed file, for the digest that names it
    sha256         bytea check (length(sha256) = 32),
    records        bigint      not null,
    events         bigint      not null,
    recorded_at    timestamptz not null default clock_timestamp(),
    primary key (bucket, key, etag)
);
-- Entries are deleted by age.
create index log_file_recorded on log_file (recorded_at);

-- How far the log of an account and region is proven complete by one source's chain of digests, and the end of that chain.
create table log_watermark (
    cloud_account  integer     not null references cloud_account,
    region         text        not null,
    source         integer     not null references log_source,
    -- nothing before is missing
    complete_until timestamptz not null,
    head_key       text        not null,
    head_sha256    bytea       not null check (length(head_sha256) = 32),
    primary key (cloud_account, region, source)
);

-- Digests that the watermark has not passed: their predecessor, or a file of theirs, is missing or wrong. Passed, they are deleted: five thousand
-- accounts have two million digests a day.
create table log_digest (
    cloud_account   integer     not null references cloud_account,
    region          text        not null,
    source          integer     not null references log_source,
    ends_at         timestamptz not null,
    starts_at       timestamptz not null,
    key             text        not null,
    sha256          bytea       not null check (length(sha256) = 32),
    previous_key    text,
    previous_sha256 bytea,
    -- null: waits for its predecessor
    problem         text,
    checked_at      timestamptz not null default clock_timestamp(),
    primary key (cloud_account, region, source, ends_at)
);

-- Messages that could not be processed, with the reason.
create table dead_letter (
    id             bigint generated always as identity primary key,
    message_id     text        not null unique,
    body           text        not null,
    reason         text        not null,
    receives       integer     not null,
    received_at    timestamptz not null default clock_timestamp()
);

-- Events before this time are deleted, and later files from before it are not recorded: nothing could tell their events from
-- those deleted. One row at most.
create table retention (
    one            boolean     primary key default true check (one),
    kept_since     timestamptz not null
);

-- Updated before messages are received: a database that only reads must not be given any.
create table write_check (
    one            boolean     primary key default true check (one),
    checked_at     timestamptz not null
);
insert into write_check (checked_at) values (clock_timestamp());

---------------------------------------------------------------------------------------------------------------------------- Things made in clouds

-- Everything that is made in a cloud and has to be removed: noted before it is made, until it is seen to be gone. A trail is one of them.
create table cloud_resource (
    id             bigint generated always as identity primary key,
    -- the account it is made in, and the role to remove it with
    cloud_account  integer     not null references cloud_account,
    role_arn       text,
    region         text        not null,
    kind           text        not null check (kind in ('trail', 'snapshot', 'snapshot_copy', 'image_copy', 'snapshot_share', 'task', 'result')),
    -- Client token and tag value by which it is found when its making was not recorded.
    token          uuid        not null unique,
    -- ARN, id or key; known beforehand for what is named by us
    resource_id    text,
    -- the UID of the custom resource it was made for
    made_for       uuid        not null,
    -- of an adopted trail: its configuration before, to be given back
    before         jsonb,
    noted_at       timestamptz not null default clock_timestamp(),
    made_at        timestamptz,
    -- set once it is not needed any more; then due for removal
    unneeded_at    timestamptz,
    gone_at        timestamptz,
    attempts       integer     not null default 0,
    next_at        timestamptz not null default clock_timestamp(),
    failure        text
);
create index cloud_resource_of on cloud_resource (made_for) where gone_at is null;
create index cloud_resource_due on cloud_resource (next_at) where unneeded_at is not null and gone_at is null;
create unique index cloud_resource_trail on cloud_resource (cloud_account, resource_id) where kind = 'trail' and gone_at is null;
