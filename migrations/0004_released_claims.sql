-- A CloudAccount whose account an older one took can have it again when the older one is gone: then it has two enrolments, one
-- closed. Whom the account belongs to now is enrolment_active's to say.
alter table enrolment drop constraint enrolment_uid_key;
create index enrolment_uid on enrolment (uid) where released_at is null;
