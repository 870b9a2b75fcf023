-- A kept day is answered with as it is kept, and never searched: as text it need not be taken apart and put together again.
alter table usage_day alter column maximum_counts type json using maximum_counts::json;
