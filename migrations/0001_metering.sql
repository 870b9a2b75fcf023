-- Observations of clouds, and the rows derived from them. Facts live here, never in etcd.
-- Forward only: a change is a new file.

-- One enrolment: a cloud account metered for one organization by one CloudAccount, from its first success to its deletion.
-- A CloudAccount that is deleted and applied anew is a new enrolment, so that history stays with its organization.
create table enrolment (
    id               bigint generated always as identity primary key,
    cloud            text        not null default 'aws' check (cloud in ('aws')),
    cloud_account_id text        not null,
    org_id           text        not null,
    account_number   text,
    -- the CloudAccount that owns it
    uid              uuid        not null unique,
    namespace        text        not null,
    name             text        not null,
    created_at       timestamptz not null,
    -- events before this time do not count
    enabled_at       timestamptz,
    -- nothing is recorded while this is set
    suspended        boolean     not null default false,
    -- set when the CloudAccount is gone: the enrolment is closed for ever
    released_at      timestamptz,
    -- moves with every change that the status of the CloudAccount shows
    changed_at       timestamptz not null default clock_timestamp()
);
-- A cloud account is metered once at a time: the second CloudAccount is a DuplicateAccount.
create unique index enrolment_active on enrolment (cloud, cloud_account_id) where released_at is null;
create index enrolment_org on enrolment (org_id);
create index enrolment_changed on enrolment (changed_at) where released_at is null;

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
    unique (cloud, image_id)
);
create index image_undescribed on image (next_lookup_at) where described_at is null and not unavailable;

create table instance (
    id             bigint generated always as identity primary key,
    enrolment_id   bigint not null references enrolment,
    instance_id    text   not null,
    region         text   not null,
    -- null until a log or the cloud names the image
    image          bigint references image,
    lookups        integer not null default 0,
    next_lookup_at timestamptz not null default clock_timestamp(),
    unique (enrolment_id, instance_id)
);
create index instance_image on instance (image);
create index instance_imageless on instance (next_lookup_at) where image is null;

create table instance_event (
    instance       bigint      not null references instance,
    -- CloudTrail's eventID, or `discovery:…` for an event that only a look at the account revealed
    event_id       text        not null,
    kind           text        not null check (kind in ('power_on', 'power_off', 'attribute_change')),
    occurred_at    timestamptz not null,
    instance_type  text,
    primary key (instance, event_id)
);

-- Derived from instance_event by metering::runs; half-open [started_at, ended_at).
create table run (
    instance       bigint      not null references instance,
    started_at     timestamptz not null,
    ended_at       timestamptz,
    instance_type  text,
    primary key (instance, started_at),
    check (ended_at is null or ended_at > started_at)
);
create index run_open on run (instance) where ended_at is null;

-- Derived from run and image; a missing row is computed when asked for.
create table usage_day (
    org_id         text  not null,
    day            date  not null,
    maximum_counts jsonb not null,
    primary key (org_id, day)
);

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

-- Messages that could not be processed, with the reason.
create table dead_letter (
    id             bigint generated always as identity primary key,
    message_id     text        not null unique,
    body           text        not null,
    reason         text        not null,
    receives       integer     not null,
    received_at    timestamptz not null default clock_timestamp()
);
