-- Runs are derived from events, which have a foreign key to their instance; whoever runs the operator can delete no instance.
-- To look for the instance of every run took as long as all else there is to inserting one.
alter table run drop constraint run_instance_fkey;
