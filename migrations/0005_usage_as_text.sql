-- A cached day is sent as it is stored, and never searched: as text it need not be parsed and serialised again.
alter table usage_day alter column maximum_counts type json using maximum_counts::json;
