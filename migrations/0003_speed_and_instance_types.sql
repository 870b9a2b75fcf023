-- The events of an instance are read whenever one is added. With everything in the index they lie side by side, by instance,
-- however many other instances' events came in between.
alter table instance_event drop constraint instance_event_pkey,
    add primary key (instance, event_id) include (kind, occurred_at, instance_type);

-- Files leave the ledger by age.
create index log_file_recorded on log_file (recorded_at);

-- What the cloud says of its instance types: for vCPU-hours and memory-hours (§8.7).
create table instance_type (
    cloud         text    not null default 'aws' check (cloud in ('aws')),
    name          text    not null,
    vcpus         integer not null check (vcpus > 0),
    memory_mib    bigint  not null check (memory_mib > 0),
    described_at  timestamptz not null,
    primary key (cloud, name)
);

-- What was given up before is not taken in any more: events before this time are gone, and with them what could tell
-- whether one that comes late is new. One row at most.
create table retention (
    one         boolean     primary key default true check (one),
    kept_since  timestamptz not null
);
