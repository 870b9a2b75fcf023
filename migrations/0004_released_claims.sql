-- A CloudAccount can claim an account again that an older one took and released. It then has two enrolments, one of them closed;
-- enrolment_active names the current one.
alter table enrolment drop constraint enrolment_uid_key;
create index enrolment_uid on enrolment (uid) where released_at is null;
