-- Observations of clouds, and the rows derived from them. Facts live here, never in etcd. Postgres 13 or later, no extension.
-- Forward only: a change is a new file.
--
-- Order of locks, in every transaction: accounts by id (advisory, class 1), image, organizations by id (advisory, class 2), usage_day.
-- docs/design/tenants.md says why.

---------------------------------------------------------------------------------------------------------------------------- Whose usage it is

create table organization (
    id                  integer generated always as identity primary key,
    org_id              text        not null unique,
    -- grows with every change of anything that its usage is derived from: the key of caches, and the guard of usage_day
    version             bigint      not null default 0,
    -- moves when facts, tags or descriptions of its images have changed: all its CloudAccounts count their images anew
    verdicts_changed_at timestamptz not null default clock_timestamp(),
    created_at          timestamptz not null default clock_timestamp()
) with (fillfactor = 50);
create index organization_changed on organization (verdicts_changed_at);

-- An account of a cloud, whoever meters it. Its id is the lock of everything that is derived for it: one writer an account.
create table cloud_account (
    id             integer generated always as identity primary key,
    cloud          text        not null default 'aws' check (cloud in ('aws')),
    account_id     text        not null,
    -- moves with every change of its rows that the status of its CloudAccount shows
    changed_at     timestamptz not null default clock_timestamp(),
    unique (cloud, account_id)
) with (fillfactor = 50);
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
-- Periods of an organization (usage), of an account (recipients of log files), of an account number (callers).
create index metered_period_organization on metered_period (organization, cloud_account);
create index metered_period_account on metered_period (cloud_account);
create index metered_period_account_number on metered_period (account_number) where account_number is not null;

---------------------------------------------------------------------------------------------------------------------------- Images and their facts

create table image (
    id                bigint generated always as identity primary key,
    cloud             text   not null default 'aws' check (cloud in ('aws')),
    image_id          text   not null,
    region            text   not null,
    -- null until the cloud has described it
    described_at      timestamptz,
    -- the cloud does not know it (any more): never inspected
    unavailable       boolean not null default false,
    -- lookups without a result so far, and the time of the next one
    lookups           integer not null default 0,
    next_lookup_at    timestamptz not null default clock_timestamp(),
    name              text,
    owner_id          text,
    architecture      text,
    platform          text not null default 'none' check (platform in ('none', 'windows')),
    marketplace       boolean not null default false,
    -- tags cloudigrade-rhel-present and cloudigrade-ocp-present; the newest change wins, by its own time
    rhel_tag          boolean not null default false,
    rhel_tag_at       timestamptz,
    openshift_tag     boolean not null default false,
    openshift_tag_at  timestamptz,
    -- end of the inspection; null until then
    inspected_at      timestamptz,
    inspection        text not null default 'pending' check (inspection in ('pending', 'inspected', 'error')),
    inspection_error  text,
    -- houndigrade's entry for this image, as it was delivered
    facts             jsonb,
    rhel_found        boolean,
    distribution      text,
    version           text,
    created_at        timestamptz not null default clock_timestamp(),
    updated_at        timestamptz not null default clock_timestamp(),
    unique (cloud, image_id)
);
create index image_undescribed on image (next_lookup_at) where described_at is null and not unavailable;
-- Images that may still need an inspection: queried every few seconds.
create index image_pending on image (id) where inspection = 'pending';

---------------------------------------------------------------------------------------------------------------------------- Instances

create table instance (
    id             bigint generated always as identity primary key,
    cloud_account  integer     not null references cloud_account,
    instance_id    text        not null,
    region         text        not null,
    -- null until a log or the cloud names the image
    image          bigint references image,
    lookups        integer     not null default 0,
    next_lookup_at timestamptz not null default clock_timestamp(),
    created_at     timestamptz not null default clock_timestamp(),
    updated_at     timestamptz not null default clock_timestamp(),
    unique (cloud_account, instance_id)
);
create index instance_image on instance (image);
create index instance_imageless on instance (next_lookup_at) where image is null;

-- One thing that happened to one instance. Unique by event and instance, whichever file it came in and whoever metered the account.
-- No foreign key: its one writer takes the instance's key from the row it has just found or made, no instance is ever deleted, and
-- checking took as long as the rest of inserting it.
create table instance_event (
    instance       bigint      not null,
    -- CloudTrail's eventID, or `discovery:…` for an event that only a look at the account revealed
    event_id       text        not null,
    kind           text        not null check (kind in ('power_on', 'power_off', 'attribute_change')),
    occurred_at    timestamptz not null,
    instance_type  text,
    -- All events of an instance are read whenever one is added. In the index they lie side by side, however many came in between.
    primary key (instance, event_id) include (kind, occurred_at, instance_type)
);

-- Derived from instance_event by metering::runs; half-open [started_at, ended_at). No foreign keys, for the same reason.
create table run (
    instance       bigint      not null,
    -- its instance's, so that one index serves an account and a time
    cloud_account  integer     not null,
    started_at     timestamptz not null,
    -- infinity while it runs
    ended_at       timestamptz not null default 'infinity' check (ended_at > started_at),
    instance_type  text,
    primary key (instance, started_at)
);
-- Usage of a day or month, and whatever runs now.
create index run_ending on run (cloud_account, ended_at);
-- Types in use, by region: queried every few seconds.
create index run_type on run (instance_type, instance);

-- Sizes of instance types, for vCPU-hours and memory-hours. A row without a size is a type that the cloud did not know.
create table instance_type (
    cloud         text    not null default 'aws' check (cloud in ('aws')),
    name          text    not null,
    vcpus         integer check (vcpus > 0),
    memory_mib    bigint  check (memory_mib > 0),
    described_at  timestamptz not null,
    primary key (cloud, name),
    check ((vcpus is null) = (memory_mib is null))
);

create function set_updated_at() returns trigger language plpgsql as $$
begin
    new.updated_at := clock_timestamp();
    return new;
end $$;
-- A lookup without a result is no change.
create trigger instance_updated before update on instance for each row
    when ((old.image, old.region) is distinct from (new.image, new.region)) execute function set_updated_at();
create trigger image_updated before update on image for each row
    when ((old.*) is distinct from (new.*) and old.lookups = new.lookups) execute function set_updated_at();

---------------------------------------------------------------------------------------------------------------------------- Usage

-- Derived from run, metered_period and image; a missing row is computed when asked for. As text it is answered with as it is stored.
create table usage_day (
    organization   integer not null references organization,
    day            date    not null,
    maximum_counts json    not null,
    primary key (organization, day)
);

---------------------------------------------------------------------------------------------------------------------------- Logs

-- The ledger: every recorded log file, so that a message delivered twice changes nothing.
create table log_file (
    bucket         text        not null,
    key            text        not null,
    etag           text        not null,
    records        bigint      not null,
    events         bigint      not null,
    recorded_at    timestamptz not null default clock_timestamp(),
    primary key (bucket, key, etag)
);
-- Entries are deleted by age.
create index log_file_recorded on log_file (recorded_at);

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

---------------------------------------------------------------------------------------------------------------------------- For people

-- Instances of accounts that a CloudAccount has, as far as its organization may see them: not those that ran only before its first
-- period of the account, when the account may have been another organization's.
create view visible_instance as
    select instance.*, holder.organization
      from instance join holder using (cloud_account)
     where not exists (select from run where run.instance = instance.id)
        or exists (select from metered_period as period
                     join run on run.instance = instance.id and run.ended_at > lower(span)
                    where period.cloud_account = instance.cloud_account and period.organization = holder.organization);

-- Runs of an organization: each clipped to a period in which its account is metered for the organization. A query gives its own bounds by
-- stored_start and stored_end, which have the index.
create view clipped_run as
    select metered_period.organization, run.instance, run.cloud_account, run.instance_type,
           greatest(run.started_at, lower(span)) as started_at,
           nullif(least(run.ended_at, coalesce(upper(span), 'infinity')), 'infinity') as ended_at,
           span as period, run.started_at as stored_start, run.ended_at as stored_end
      from metered_period
      join run on run.cloud_account = metered_period.cloud_account
     where run.ended_at > lower(span) and run.started_at < coalesce(upper(span), 'infinity');
