-- All events of an instance are read whenever one is added. With all columns in the index they lie side by side, however many
-- events of other instances came in between.
alter table instance_event drop constraint instance_event_pkey,
    add primary key (instance, event_id) include (kind, occurred_at, instance_type);

-- Entries of the ledger are deleted by age.
create index log_file_recorded on log_file (recorded_at);

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
-- Types in use, by region: queried every few seconds.
create index run_type on run (instance_type, instance);

-- Events before this time are deleted, and later files from before it are not recorded: nothing could tell their events from
-- those deleted. One row at most.
create table retention (
    one         boolean     primary key default true check (one),
    kept_since  timestamptz not null
);

-- Columns that only the REST API shows.
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
-- A lookup without a result is no change.
create trigger instance_updated before update on instance for each row
    when ((old.image, old.region) is distinct from (new.image, new.region)) execute function set_updated_at();
create trigger image_updated before update on image for each row
    when ((old.*) is distinct from (new.*) and old.lookups = new.lookups) execute function set_updated_at();
