-- The events of an instance are read whenever one is added. With everything in the index they lie side by side, by instance,
-- however many other instances' events came in between.
alter table instance_event drop constraint instance_event_pkey,
    add primary key (instance, event_id) include (kind, occurred_at, instance_type);

-- Files leave the ledger by age.
create index log_file_recorded on log_file (recorded_at);

-- What the cloud says of its instance types: for vCPU-hours and memory-hours (§8.7). A row without a size is a type that the
-- cloud did not know when it was asked.
create table instance_type (
    cloud         text    not null default 'aws' check (cloud in ('aws')),
    name          text    not null,
    vcpus         integer check (vcpus > 0),
    memory_mib    bigint  check (memory_mib > 0),
    described_at  timestamptz not null,
    primary key (cloud, name),
    check ((vcpus is null) = (memory_mib is null))
);
-- Which types there are, and where: asked for every few seconds.
create index run_type on run (instance_type, instance);

-- What was given up before is not taken in any more: events before this time are gone, and with them what could tell
-- whether one that comes late is new. One row at most.
create table retention (
    one         boolean     primary key default true check (one),
    kept_since  timestamptz not null
);

-- What clients of the REST API are told of accounts, instances and images.
alter table enrolment add column role_arn text;
alter table instance add column created_at timestamptz not null default clock_timestamp(),
    add column updated_at timestamptz not null default clock_timestamp();
alter table image add column created_at timestamptz not null default clock_timestamp(),
    add column updated_at timestamptz not null default clock_timestamp();

create function set_updated_at() returns trigger language plpgsql as $$
begin
    new.updated_at := clock_timestamp();
    return new;
end $$;
-- A lookup that found nothing is no change.
create trigger instance_updated before update on instance for each row
    when ((old.image, old.region) is distinct from (new.image, new.region)) execute function set_updated_at();
create trigger image_updated before update on image for each row
    when ((old.*) is distinct from (new.*) and old.lookups = new.lookups) execute function set_updated_at();
